//! `facetap doctor`: finds what is wrong and says how to mend it.

use std::io::{ErrorKind, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args as ClapArgs, ValueEnum};

use super::Usage;
use crate::base::text::{self, Language};
use crate::say;
use crate::tools::doctor::machine::{Asked, Machine};
use crate::tools::doctor::{Examination, diagnosis, find, mask, terminal};

/// What may be given.
#[derive(Debug, Clone, ClapArgs)]
#[command(
    after_help = "Ends with status 0 if nothing is wrong, 1 with a warning or a problem. Takes less than two seconds, \
changes nothing, and does not disturb a running service.\n\nExamples:\n  sudo facetap doctor\n  \
facetap doctor --no-file --verbose\n  facetap doctor --root /mnt/card --output .\n  sudo facetap doctor --mask < some.log"
)]
pub(super) struct DoctorOptions {
    /// Configuration file [default: $FACETAP_CONFIG, else that of the running service, else
    /// /etc/facetap/config.json, else built in]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Look at the files of another machine below this folder, such as its SD card; nothing is asked
    /// or run then
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// Folder of the file for the maintainers, diagnosis_YYYYMMDD_HHMMSS.log [default: the current one]
    #[arg(long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Write no file
    #[arg(long, conflicts_with = "output")]
    pub no_file: bool,
    /// Longest that a look may take, in seconds, for disks that are slow [default: about 1]
    #[arg(long, value_name = "SECONDS", value_parser = limit)]
    pub limit: Option<Duration>,
    /// Also tell how long each look took
    #[arg(long)]
    pub verbose: bool,
    /// Look at nothing: take card ids, names and secrets out of standard input. With =known a number is
    /// no card id only because it looks like one
    #[arg(
        long,
        value_name = "WHAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all",
        conflicts_with_all = ["output", "no_file", "verbose"]
    )]
    pub mask: Option<Masked>,
}

/// What is taken out of standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Masked {
    /// Also what looks like a card id.
    All,
    /// What is known from roster, ledger and configuration, and what looks like a secret.
    Known,
}

pub(super) fn doctor(options: &DoctorOptions) -> Result<u8> {
    text::speak(Language::from_locale());
    for (name, path) in [("--config", &options.config), ("--root", &options.root)] {
        exists(name, path.as_deref())?;
    }
    let asked = Asked {
        config: options.config.clone(),
        root: options.root.clone(),
        clock: None,
        limit: options.limit,
    };
    let machine = find(&asked)?;
    if let Some(language) = machine.config.language {
        text::speak(language);
    }
    if let Some(what) = options.mask {
        return mask_input(&machine, what);
    }
    let examination = Examination::of(&machine);
    let mask = examination.mask();
    let out = std::io::stdout();
    let coloured = out.is_terminal() && super::env("NO_COLOR").is_none_or(|v| v.is_empty());
    let mut table = terminal::table(&examination.sections, coloured, options.verbose);
    if options.verbose {
        let seconds = examination.took.as_secs_f64();
        table.push_str(&say!(
            "all of it: {seconds:.2} s\n",
            "全体: {seconds:.2} 秒\n"
        ));
    }
    // What is seen here is sent to maintainers just as well.
    write(&mask.apply(&table))?;
    if !options.no_file {
        for line in &examination.unmasked {
            write(&format!("{line}\n"))?;
        }
        let folder = options.output.as_deref().unwrap_or(Path::new("."));
        let name = diagnosis::file_name(&machine.clock.wall());
        let text = diagnosis::text(&examination, &mask);
        let (file, why_not) = diagnosis::write(folder, &name, &text).with_context(|| {
            say!(
                "the diagnosis can be written neither to {} nor to /tmp; name a folder with --output",
                "診断ファイルを {} にも /tmp にも書き込めません。--output でフォルダーを指定してください",
                folder.display()
            )
        })?;
        let shown = file.display();
        if let Some(why) = why_not {
            let folder = folder.display();
            write(&say!(
                "{folder} cannot be written ({why}), so the file goes to /tmp\n",
                "{folder} に書き込めないため（{why}）、/tmp に保存します\n"
            ))?;
        }
        write(&say!(
            "for the maintainers, without card ids, names and secrets: {shown}\n",
            "開発者へ送るファイル（カード ID・氏名・秘密情報なし）: {shown}\n"
        ))?;
    }
    Ok(if examination.is_bad() {
        super::FAILED
    } else {
        super::DONE
    })
}

/// Without all names nothing is told, for what was said may hold any of them.
fn mask_input(machine: &Arc<Machine>, what: Masked) -> Result<u8> {
    let mut input = Vec::new();
    std::io::stdin()
        .read_to_end(&mut input)
        .context("cannot read standard input")?;
    let input = String::from_utf8_lossy(&input);
    let (mask, unread) = mask(machine);
    let masked = match what {
        Masked::All => mask.apply(&input),
        Masked::Known => mask.apply_without_guessing(&input),
    };
    unread.iter().for_each(|line| super::complain(line));
    if what == Masked::All && !unread.is_empty() {
        return Ok(super::FAILED);
    }
    write(&masked)?;
    Ok(super::DONE)
}

/// An hour is as good as for ever.
fn limit(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give a number of seconds between 0.01 and 3600".to_owned()),
    }
}

fn exists(name: &str, path: Option<&Path>) -> Result<()> {
    match path {
        Some(path) if !path.exists() => {
            let shown = path.display();
            Err(Usage(say!(
                "{name} {shown}: there is no such file or folder",
                "{name} {shown}: ファイルまたはフォルダーがありません"
            ))
            .into())
        }
        _ => Ok(()),
    }
}

/// That the reader has gone away (`facetap doctor | head`) is no failure.
fn write(text: &str) -> Result<()> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(e).context(say!(
            "the findings cannot be written",
            "結果を書き出せません"
        )),
        _ => Ok(()),
    }
}
