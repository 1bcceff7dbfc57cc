//! Whose rights count: those of the service's user, whoever has called the doctor.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use super::root::Root;

/// Reading, in the bits of a file's mode.
pub const READ: u32 = 4;
/// Writing.
pub const WRITE: u32 = 2;
/// Entering a folder.
pub const ENTER: u32 = 1;

/// A user of the machine with its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its number; none if the machine does not know the name.
    pub uid: Option<u32>,
    /// Numbers of its groups.
    pub gids: Vec<u32>,
    /// Groups that the unit gives it and the machine does not know.
    pub unknown_groups: Vec<String>,
}

impl Account {
    /// The user of this name with the groups that the unit gives it besides.
    #[must_use]
    pub fn named(root: &Root, name: &str, extra: &[String]) -> Self {
        let users = root.text("/etc/passwd").unwrap_or_default();
        let groups = root.text("/etc/group").unwrap_or_default();
        let entry = fields(&users, name);
        let own = number(entry.as_deref(), 3);
        let member = groups.lines().filter_map(|line| {
            let f: Vec<&str> = line.split(':').collect();
            let is = f.get(3)?.split(',').any(|m| m == name);
            is.then(|| f.get(2)?.parse().ok()).flatten()
        });
        let mut gids: Vec<u32> = own.into_iter().chain(member).collect();
        let mut unknown_groups = Vec::new();
        for group in extra {
            match number(fields(&groups, group).as_deref(), 2) {
                Some(gid) => gids.push(gid),
                None => unknown_groups.push(group.clone()),
            }
        }
        gids.sort_unstable();
        gids.dedup();
        Self {
            name: name.to_owned(),
            uid: number(entry.as_deref(), 2),
            gids,
            unknown_groups,
        }
    }

    /// Whoever runs this program: where no unit is installed, the service is started by hand.
    #[must_use]
    pub fn present() -> Self {
        let groups = nix::unistd::getgroups().unwrap_or_default();
        let uid = nix::unistd::geteuid();
        let mut gids: Vec<u32> = groups.iter().map(|g| g.as_raw()).collect();
        gids.push(nix::unistd::getegid().as_raw());
        let known = nix::unistd::User::from_uid(uid).ok().flatten();
        Self {
            name: known.map_or_else(|| uid.to_string(), |u| u.name),
            uid: Some(uid.as_raw()),
            gids,
            unknown_groups: Vec::new(),
        }
    }

    /// Whether it may do all of `wanted` with a file, by its owner, group and mode.
    #[must_use]
    pub fn may(&self, file: &Metadata, wanted: u32) -> bool {
        self.may_with(file.uid(), file.gid(), file.mode(), wanted)
    }

    fn may_with(&self, uid: u32, gid: u32, mode: u32, wanted: u32) -> bool {
        let allowed = match self.uid {
            Some(0) => return true,
            Some(us) if us == uid => mode >> 6,
            _ if self.gids.contains(&gid) => mode >> 3,
            _ => mode,
        };
        allowed & wanted == wanted
    }
}

/// The fields of an entry of `/etc/passwd` or `/etc/group`.
fn fields<'a>(table: &'a str, name: &str) -> Option<Vec<&'a str>> {
    table
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|f| f.first() == Some(&name))
}

fn number(fields: Option<&[&str]>, at: usize) -> Option<u32> {
    fields?.get(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_from_user_membership_and_unit() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write(
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\nfacetap:x:990:991::/:/bin/false\nodd\n",
        );
        write(
            "etc/group",
            "facetap:x:991:\nvideo:x:44:\nlp:x:7:a,facetap\nodd\n",
        );
        let root = Root::below(dir.path());
        let extra = ["video".to_owned(), "gpio".to_owned()];
        let account = Account::named(&root, "facetap", &extra);
        assert_eq!(account.uid, Some(990));
        assert_eq!(account.gids, [7, 44, 991]);
        assert_eq!(account.unknown_groups, ["gpio"]);
        assert_eq!(Account::named(&root, "nobody", &[]).uid, None);

        assert!(account.may_with(0, 44, 0o660, READ | WRITE), "by group");
        assert!(!account.may_with(0, 20, 0o660, READ));
        assert!(account.may_with(0, 20, 0o664, READ), "as anybody");
        assert!(
            !account.may_with(990, 44, 0o077, READ),
            "the owner's bits count for the owner"
        );
        let root = Account::named(&root, "root", &[]);
        assert!(root.may_with(1, 1, 0, READ | WRITE | ENTER));
    }
}
