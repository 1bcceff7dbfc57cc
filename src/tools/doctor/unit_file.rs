//! The files of `facetap.service` as systemd reads them: the unit, and the drop-ins beside it.

use std::path::PathBuf;

use super::root::Root;

const UNIT: &str = "facetap.service";
/// Where units lie, the most important first (systemd.unit(5)).
const FOLDERS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// A unit with its drop-ins, or a configuration file of systemd with its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitFile {
    /// The file itself, as the machine knows it.
    pub file: PathBuf,
    /// Everything that it says, in order: section, key, value.
    pub lines: Vec<(String, String, String)>,
    /// Whether it starts at boot: a link of some target wants it.
    pub enabled: bool,
}

impl UnitFile {
    /// The service's; none if it is not installed.
    #[must_use]
    pub fn find(root: &Root) -> Option<Self> {
        let folder = FOLDERS
            .iter()
            .find(|f| root.exists(format!("{f}/{UNIT}")))?;
        let file = PathBuf::from(format!("{folder}/{UNIT}"));
        let mut lines = parse(&root.text(&file).unwrap_or_default());
        lines.extend(drop_ins(root, &FOLDERS, UNIT));
        let wanted = "/etc/systemd/system";
        let enabled = root.names(wanted).iter().any(|name| {
            let link = root.path(format!("{wanted}/{name}/{UNIT}"));
            // The link's target is absolute: below another root it leads nowhere.
            (name.ends_with(".wants") || name.ends_with(".requires"))
                && link.symlink_metadata().is_ok()
        });
        Some(Self {
            file,
            lines,
            enabled,
        })
    }

    /// A configuration file of systemd, such as `system.conf`, with its drop-ins.
    #[must_use]
    pub fn settings(root: &Root, name: &str) -> Self {
        const FOLDERS: [&str; 4] = [
            "/etc/systemd",
            "/run/systemd",
            "/usr/lib/systemd",
            "/lib/systemd",
        ];
        let files = FOLDERS.iter().map(|f| format!("{f}/{name}"));
        let found = files.into_iter().find(|f| root.exists(f));
        let text = found.as_ref().and_then(|f| root.text(f));
        let mut lines = parse(&text.unwrap_or_default());
        lines.extend(drop_ins(root, &FOLDERS, name));
        Self {
            file: found.unwrap_or_default().into(),
            lines,
            enabled: false,
        }
    }

    /// The value that counts: the last one.
    #[must_use]
    pub fn last(&self, section: &str, key: &str) -> Option<&str> {
        let mut lines = self.lines.iter().rev();
        let found = lines.find(|(s, k, _)| s == section && k == key);
        found.map(|(_, _, value)| value.as_str())
    }

    /// All words of a key that may be given several times; an empty value takes back what was before it.
    #[must_use]
    pub fn words(&self, section: &str, key: &str) -> Vec<String> {
        let mut words = Vec::new();
        let given = self
            .lines
            .iter()
            .filter(|(s, k, _)| s == section && k == key);
        for (_, _, value) in given {
            if value.is_empty() {
                words.clear();
            }
            words.extend(value.split_whitespace().map(str::to_owned));
        }
        words
    }
}

/// Drop-ins count in the order of their names, whatever folder they lie in; of two with the same name the more
/// important folder's.
fn drop_ins(root: &Root, folders: &[&str], name: &str) -> Vec<(String, String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for folder in folders {
        let folder = format!("{folder}/{name}.d");
        for file in root.names(&folder) {
            if file.ends_with(".conf") && !files.iter().any(|(f, _)| *f == file) {
                files.push((file.clone(), format!("{folder}/{file}")));
            }
        }
    }
    files.sort();
    let texts = files.iter().filter_map(|(_, path)| root.text(path));
    texts.flat_map(|text| parse(&text)).collect()
}

fn parse(text: &str) -> Vec<(String, String, String)> {
    // A backslash at its end carries a line on.
    let text = text.replace("\\\n", " ");
    let mut section = String::new();
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if !line.starts_with(['#', ';'])
            && let Some((key, value)) = line.split_once('=')
        {
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            lines.push((section.clone(), key, value));
        }
    }
    lines
}

/// A time span of systemd (systemd.time(7)) in seconds: `20`, `1min 30s`, `500ms`; infinite for `infinity`. None if it
/// is none.
#[must_use]
pub fn seconds(span: &str) -> Option<f64> {
    let span = span.trim();
    if span == "infinity" {
        return Some(f64::INFINITY);
    }
    let mut total = 0.0;
    let mut rest = span;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().ok()?;
        let after = rest[end..].trim_start();
        let unit_end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        total += number
            * match &after[..unit_end] {
                "" | "s" | "sec" | "second" | "seconds" => 1.0,
                "us" | "usec" => 1e-6,
                "ms" | "msec" => 1e-3,
                "m" | "min" | "minute" | "minutes" => 60.0,
                "h" | "hr" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86_400.0,
                "w" | "week" | "weeks" => 604_800.0,
                _ => return None,
            };
        rest = after[unit_end..].trim_start();
    }
    (!span.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn drop_ins_overrule_the_unit_in_the_order_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let root = Root::below(dir.path());
        assert_eq!(UnitFile::find(&root), None);
        write(
            "usr/lib/systemd/system/facetap.service",
            "# x\n[Unit]\nStartLimitIntervalSec = 0\n[Service]\nSupplementaryGroups=video \\\n  gpio\n\
             WatchdogSec=5\n",
        );
        write(
            "etc/systemd/system/facetap.service.d/b.conf",
            "[Service]\nWatchdogSec=20s\nSupplementaryGroups=i2c\n",
        );
        write(
            "usr/lib/systemd/system/facetap.service.d/a.conf",
            "[Service]\nWatchdogSec=7\n",
        );
        let unit = UnitFile::find(&root).unwrap();
        assert_eq!(unit.last("Service", "WatchdogSec"), Some("20s"));
        assert_eq!(unit.last("Unit", "StartLimitIntervalSec"), Some("0"));
        assert_eq!(unit.last("Unit", "WatchdogSec"), None);
        let groups = unit.words("Service", "SupplementaryGroups");
        assert_eq!(groups, ["video", "gpio", "i2c"]);
        assert!(!unit.enabled);
        let wants = dir
            .path()
            .join("etc/systemd/system/multi-user.target.wants");
        fs::create_dir(&wants).unwrap();
        std::os::unix::fs::symlink("/nowhere", wants.join(UNIT)).unwrap();
        assert!(UnitFile::find(&root).unwrap().enabled);

        write(
            "usr/lib/systemd/journald.conf.d/40.conf",
            "[Journal]\nStorage=volatile\n",
        );
        let journal = UnitFile::settings(&root, "journald.conf");
        assert_eq!(journal.last("Journal", "Storage"), Some("volatile"));
    }

    #[test]
    fn time_spans_are_understood() {
        for (span, want) in [
            ("20", Some(20.0)),
            ("1min 30s", Some(90.0)),
            ("1min30s", Some(90.0)),
            ("500ms", Some(0.5)),
            ("0", Some(0.0)),
            ("infinity", Some(f64::INFINITY)),
            ("", None),
            ("soon", None),
            ("5 parsecs", None),
            ("é", None),
        ] {
            assert_eq!(seconds(span), want, "{span}");
        }
    }
}
