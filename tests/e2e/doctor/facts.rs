//! What no tree of files can show: judged from facts as they would be gathered.

use facetap::attend::ledger::query::Integrity;
use facetap::attend::reader::usb::Obstacle;
use facetap::tools::doctor::finding::Finding;
use facetap::tools::doctor::sections::{configuration, disk, ledger, pcscd, server, service, unit};
use facetap::watch::health::state::State;

use super::has_all_parts;

fn folder(change: impl FnOnce(&mut disk::Folder)) -> Vec<Finding> {
    let mut folder = disk::Folder {
        holds: "data",
        path: "/var/lib/facetap".into(),
        exists: true,
        kind: Some("ext4".into()),
        free_mb: Some(9000.0),
        free_files: Some(100_000),
        permitted: true,
        ..disk::Folder::default()
    };
    change(&mut folder);
    disk::findings(&disk::Facts {
        folders: vec![folder],
        ..disk::Facts::default()
    })
}

fn book(change: impl FnOnce(&mut ledger::Facts)) -> Vec<Finding> {
    let mut facts = ledger::Facts {
        enabled: true,
        exists: true,
        readable: true,
        permitted: true,
        file: "/var/lib/facetap/attendance.db".into(),
        integrity: Some(Integrity::Sound),
        ..ledger::Facts::default()
    };
    change(&mut facts);
    ledger::findings(&facts)
}

fn daemon(names: Result<Vec<String>, String>, missing: Vec<Obstacle>) -> Vec<Finding> {
    pcscd::findings(&pcscd::Facts {
        names: Some(names),
        used: Vec::new(),
        missing,
    })
}

#[rustfmt::skip]
pub fn cases() -> Vec<(&'static str, Vec<Finding>)> {
    let failed = unit::Facts {
        file: Some("/usr/lib/systemd/system/facetap.service".into()),
        systemd: [("ActiveState", "failed"), ("Result", "watchdog")]
            .map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        ..unit::Facts::default()
    };
    vec![
        ("config-no-effect", configuration::findings(&configuration::Facts {
            not_built: vec!["web.listen"],
            ..configuration::Facts::default()
        })),
        ("disk-full", folder(|f| f.free_mb = Some(3.0))),
        ("disk-nearly-full", folder(|f| f.free_mb = Some(150.0))),
        ("files-exhausted", folder(|f| f.free_files = Some(12))),
        ("ledger-unreadable", book(|f| f.readable = false)),
        ("ledger-not-finished", book(|f| f.integrity = Some(Integrity::TooLarge))),
        ("pcscd-forbidden", daemon(Err("refused (8010006A)".into()), vec![])),
        ("reader-not-named", daemon(Ok(vec!["ACS ACR122U".into()]), vec![])),
        ("reader-not-listed", daemon(Ok(vec![]), vec![Obstacle::NotListed { reader: "RC-S300/P".into() }])),
        ("server-down", server::findings(&server::Facts {
            url: Some("http://h:5000".into()),
            answer: Some(Err("the server http://h:5000 does not answer: refused".into())),
        })),
        ("service-hidden", service::findings(&service::Facts {
            health: Some(State { pid: 4242, ..State::default() }),
            hidden: true,
            this_boot: true,
            ..service::Facts::default()
        })),
        ("unit-not-running", unit::findings(&failed)),
    ]
}

#[test]
fn each_is_told_in_three_parts() {
    for (key, findings) in cases() {
        let finding = findings.iter().find(|f| f.key == key);
        has_all_parts(finding.unwrap_or_else(|| panic!("{key}: {findings:#?}")));
    }
    assert_eq!(folder(|_| {}), []);
    assert_eq!(book(|_| {}), []);
}
