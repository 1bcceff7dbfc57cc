//! `facetap generate`: manual pages and shell completions from the command definitions, and what is written from the table
//! of keys. The package build and developers call it; people do not, so neither the help nor what it writes shows it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args as ClapArgs, Command, CommandFactory as _, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Args;
use crate::config;

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  facetap generate man target/man")]
pub(super) struct GenerateOptions {
    /// What to write
    product: Product,
    /// The folder; made if it is missing
    dir: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Product {
    /// Manual pages, one for every command
    Man,
    /// Completions for bash, fish and zsh
    Completions,
    /// What the repository holds of the configuration: the folder is its top
    Configuration,
}

/// The shells that Debian has a folder of completions for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Fish, Shell::Zsh];

pub(super) fn generate(options: &GenerateOptions) -> Result<u8> {
    let dir = &options.dir;
    fs::create_dir_all(dir)
        .and_then(|()| match options.product {
            Product::Man => pages(&people(), dir),
            Product::Completions => completions(dir),
            Product::Configuration => configuration(dir),
        })
        .with_context(|| {
            format!(
                "cannot write into {}; name a folder that this user can write",
                dir.display()
            )
        })?;
    Ok(super::DONE)
}

/// The commands for people, with their full names.
fn people() -> Command {
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    command
}

fn pages(command: &Command, dir: &Path) -> io::Result<()> {
    for sub in command.get_subcommands() {
        pages(sub, dir)?;
    }
    Man::new(command.clone())
        .source(concat!("facetap ", env!("CARGO_PKG_VERSION")))
        .manual("FaceTap")
        .generate_to(dir)
        .map(drop)
}

fn completions(dir: &Path) -> io::Result<()> {
    SHELLS.into_iter().try_for_each(|shell| {
        clap_complete::generate_to(shell, &mut Args::command(), "facetap", dir).map(drop)
    })
}

fn configuration(dir: &Path) -> io::Result<()> {
    let write = |name: &str, text: String| {
        let file = dir.join(name);
        fs::create_dir_all(file.parent().unwrap_or(dir))?;
        fs::write(file, text)
    };
    let pretty =
        |value: &serde_json::Value| serde_json::to_string_pretty(value).map(|text| text + "\n");
    write("config/facetap.json", pretty(&config::example())?)?;
    write(
        "config/facetap.schema.json",
        pretty(&config::json_schema())?,
    )?;
    write("docs/configuration.md", config::document())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::hidden::HiddenCommand;
    use clap::Subcommand as _;

    /// The names of what is written, after a look into each.
    fn names(product: Product) -> Vec<String> {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("new");
        let options = GenerateOptions {
            product,
            dir: dir.clone(),
        };
        assert_eq!(generate(&options).unwrap(), crate::cli::DONE);
        let mut names: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        for name in &names {
            let text = fs::read_to_string(dir.join(name)).unwrap();
            assert!(text.contains("facetap"), "{name}: {text}");
            assert!(
                !text.contains("generate"),
                "{name} shows what is not for people"
            );
        }
        names
    }

    #[test]
    fn every_shell_gets_its_file() {
        assert_eq!(
            names(Product::Completions),
            ["_facetap", "facetap.bash", "facetap.fish"]
        );
    }

    #[test]
    fn every_command_gets_a_page() {
        let names = names(Product::Man);
        for page in ["facetap.1", "facetap-run.1", "facetap-config-check.1"] {
            assert!(names.iter().any(|n| n == page), "no {page} in {names:?}");
        }
        fn count(command: &Command) -> usize {
            1 + command.get_subcommands().map(count).sum::<usize>()
        }
        assert_eq!(names.len(), count(&people()), "{names:?}");
    }

    #[test]
    fn the_repository_holds_the_configuration_as_the_table_of_keys_has_it() {
        let new = tempfile::tempdir().unwrap();
        configuration(new.path()).unwrap();
        for name in [
            "config/facetap.json",
            "config/facetap.schema.json",
            "docs/configuration.md",
        ] {
            let text = |dir: &Path| fs::read_to_string(dir.join(name)).unwrap_or_default();
            assert!(
                text(new.path()) == text(Path::new(env!("CARGO_MANIFEST_DIR"))),
                "{name} is out of date: cargo run -- generate configuration ."
            );
        }
    }

    #[test]
    fn the_help_is_that_of_the_commands_for_people() {
        let mut all = HiddenCommand::augment_subcommands(Args::command());
        assert_eq!(
            all.render_help().to_string(),
            Args::command().render_help().to_string()
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options = GenerateOptions {
            product: Product::Man,
            dir: file.path().join("below"),
        };
        let why = format!("{:#}", generate(&options).unwrap_err());
        assert!(why.contains("below"), "{why}");
    }
}
