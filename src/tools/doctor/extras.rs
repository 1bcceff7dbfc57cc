//! What a maintainer wants to see besides the findings: configuration, log tails, the process. Looked at like a section,
//! without a verdict.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::machine::Machine;
use super::probe::{Looked, Probe};
use super::sections::kernel;
use super::tail;

const LIMIT: Duration = Duration::from_millis(1000);
/// Lines of a log.
const LINES: usize = 100;
/// Lines of the monitor: four hours at its usual interval.
const MONITOR_LINES: usize = 50;
/// Lines in which those are looked for.
const SEARCHED: usize = 5000;

/// Parts that may hold whatever the service has said: without knowing all names they are left out.
pub const SAID: [&str; 4] = ["log", "monitor", "memory_usage.log", "crash.log"];

/// The parts, in their order.
#[must_use]
pub fn all() -> Vec<Probe> {
    let part = |name: &'static str, look: fn(&Machine) -> Looked| Probe {
        name,
        limit: LIMIT,
        look,
        hung: None,
    };
    vec![
        part("configuration file", |s| told(configuration(s))),
        part("health file", |s| told(health(s))),
        part("unit files", |s| told(unit(s))),
        part("service process", |s| told(process(s))),
        part("processes", |s| told(processes(s))),
        part("kernel messages", |s| {
            let messages = kernel::messages(s).unwrap_or_default();
            told(messages[messages.len().saturating_sub(LINES)..].join("\n"))
        }),
        part(SAID[0], |s| {
            told(tail::lines(&s.log_file, LINES).join("\n"))
        }),
        part(SAID[1], |s| told(monitor(s))),
        part(SAID[2], |s| {
            let file = s.log_file.with_file_name("memory_usage.log");
            told(tail::lines(&file, LINES).join("\n"))
        }),
        part(SAID[3], |s| {
            told(tail::lines(&s.crash_file, 4 * LINES).join("\n"))
        }),
    ]
}

fn told(facts: String) -> Looked {
    Looked {
        facts,
        findings: Vec::new(),
    }
}

fn configuration(machine: &Machine) -> String {
    let Some(file) = &machine.config_file else {
        return "built-in defaults".to_owned();
    };
    let text = tail::lines(file, usize::MAX).join("\n");
    // Written anew: whatever was escaped in it can be recognised then.
    match serde_json::from_str::<Value>(&text) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or(text),
        Err(_) => text,
    }
}

fn health(machine: &Machine) -> String {
    let file = machine.health_file.as_ref().map(|f| machine.root.own(f));
    file.and_then(|f| machine.root.text(f)).unwrap_or_default()
}

fn unit(machine: &Machine) -> String {
    let mut text = String::new();
    for (section, key, value) in machine.unit.iter().flat_map(|u| &u.lines) {
        let _ = writeln!(text, "[{section}] {key}={value}");
    }
    text
}

fn monitor(machine: &Machine) -> String {
    let lines = tail::lines(&machine.log_file, SEARCHED);
    let is = |l: &&String| l.contains("[RESOURCE_MONITOR]") || l.contains("[リソース監視]");
    let found: Vec<&str> = lines.iter().filter(is).map(String::as_str).collect();
    found[found.len().saturating_sub(MONITOR_LINES)..].join("\n")
}

/// Threads with their state, descriptors with what they lead to, limits.
fn process(machine: &Machine) -> String {
    let Some(pid) = machine.pid() else {
        return "does not run".to_owned();
    };
    let (root, mut text) = (&machine.root, format!("process {pid}\n"));
    let about = format!("/proc/{pid}");
    for thread in root.names(format!("{about}/task")) {
        let folder = format!("{about}/task/{thread}");
        let name = root.text(format!("{folder}/comm")).unwrap_or_default();
        let state = field(
            &root.text(format!("{folder}/status")).unwrap_or_default(),
            "State",
        );
        let _ = writeln!(text, "thread {thread} {name} {state}");
    }
    for descriptor in root.names(format!("{about}/fd")) {
        let link = root.path(format!("{about}/fd/{descriptor}")).read_link();
        let to = link.map_or_else(|e| e.to_string(), |to| to.display().to_string());
        let _ = writeln!(text, "descriptor {descriptor} {to}");
    }
    for file in ["status", "limits", "cgroup"] {
        let contents = root.text(format!("{about}/{file}")).unwrap_or_default();
        let _ = writeln!(text, "{file}:\n{contents}");
    }
    text
}

/// Number, parent, state, resident memory, name. Without arguments, which may hold passwords.
fn processes(machine: &Machine) -> String {
    let root = &machine.root;
    let mut text = String::new();
    for pid in root.names("/proc") {
        if !pid.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let status = root.text(format!("/proc/{pid}/status")).unwrap_or_default();
        let part = |key: &str| field(&status, key);
        let (name, parent, state, memory) =
            (part("Name"), part("PPid"), part("State"), part("VmRSS"));
        let _ = writeln!(text, "{pid} {parent} {state} {memory} {name}");
    }
    text
}

fn field(status: &str, key: &str) -> String {
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or("-").trim().to_owned()
}
