//! The configuration as it would be, and what has been done so far. Both lie beside the configuration, so that a set-up
//! that was left, or whose board lost its power, is taken up again.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::files;
use crate::cli::env;
use crate::config::{self, Config, edit};
use crate::say;

/// What stands for a configuration that is not there yet.
const NOTHING: &str = "{}\n";
/// A longer file is not ours.
const MOST_BYTES: u64 = 1 << 20;

/// A step that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    /// Its key.
    pub step: String,
    /// The draft before it.
    pub before: String,
    /// What it has left to know for taking it back; null where it was left out.
    pub note: Value,
}

/// The draft.
#[derive(Debug)]
pub(super) struct Draft {
    /// The configuration that it is to become.
    pub target: PathBuf,
    folder: PathBuf,
    text: String,
    /// The steps that are over, the first one first.
    past: Vec<Past>,
}

impl Draft {
    /// Takes up what was left, or begins with the configuration as it is.
    ///
    /// # Errors
    /// The folder cannot be written, or the configuration is not valid.
    pub fn open(target: &Path) -> Result<Self> {
        let mut folder = target.as_os_str().to_owned();
        folder.push(".setup");
        let mut draft = Self {
            target: target.to_owned(),
            folder: folder.into(),
            text: String::new(),
            past: Vec::new(),
        };
        draft.make_folder()?;
        draft.past = files::read(&draft.progress(), MOST_BYTES)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        // Without steps it is that of another time, when the configuration may have been another one.
        let left = (!draft.past.is_empty())
            .then(|| config::read(&draft.file()).ok())
            .flatten();
        let text = match left {
            Some(text) => text,
            None => draft.original()?,
        };
        draft.replace(text)?;
        // What is wrong with it is told now.
        draft.config()?;
        Ok(draft)
    }

    /// Forgets all steps and begins with the configuration as it is.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn begin_anew(&mut self) -> Result<()> {
        self.past.clear();
        let text = self.original()?;
        self.replace(text)
    }

    fn original(&self) -> Result<String> {
        if !self.target.exists() {
            return Ok(NOTHING.to_owned());
        }
        config::read(&self.target).map_err(|why| anyhow!("{}: {why}", self.target.display()))
    }

    /// The file of the draft, for commands that take a configuration.
    pub fn file(&self) -> PathBuf {
        self.folder.join("draft.json")
    }

    fn progress(&self) -> PathBuf {
        self.folder.join("progress.json")
    }

    fn make_folder(&self) -> Result<()> {
        std::fs::create_dir_all(&self.folder).with_context(|| {
            let folder = self.folder.display();
            say!(
                "cannot make {folder}; use sudo, or name your own file with --config",
                "{folder} を作成できません。sudo を使うか、--config で自分のファイルを指定してください"
            )
        })
    }

    /// The draft as text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The configuration that it is.
    ///
    /// # Errors
    /// It is not valid.
    pub fn config(&self) -> Result<Config> {
        Ok(config::load(Some(&self.file()), &env)?.config)
    }

    /// Gives a key a value, as `facetap config set` does.
    ///
    /// # Errors
    /// The configuration would not be valid; the draft is as it was then.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        match edit::set(&self.text, key, value) {
            Ok(edited) => self.replace(edited.text),
            Err(problems) => bail!("{}", problems.join("; ")),
        }
    }

    /// Takes this for the draft.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn replace(&mut self, text: String) -> Result<()> {
        files::replace(&self.file(), text.as_bytes())
            .with_context(|| format!("{} cannot be written", self.file().display()))?;
        self.text = text;
        Ok(())
    }

    /// The steps that are over.
    pub fn past(&self) -> &[Past] {
        &self.past
    }

    /// A step is over.
    ///
    /// # Errors
    /// It cannot be noted.
    pub fn push(&mut self, past: Past) -> Result<()> {
        self.past.push(past);
        self.note()
    }

    /// Takes the last step back, as far as the draft goes.
    ///
    /// # Errors
    /// It cannot be noted.
    pub fn pop(&mut self) -> Result<Option<Past>> {
        let Some(past) = self.past.pop() else {
            return Ok(None);
        };
        self.replace(past.before.clone())?;
        self.note()?;
        Ok(Some(past))
    }

    fn note(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(&self.past)?;
        files::replace(&self.progress(), &text)
            .with_context(|| format!("{} cannot be written", self.progress().display()))
    }

    /// There is nothing left to take up.
    pub fn finish(&self) {
        // A folder that stays is taken up and shown as done; it does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_draft_is_taken_up_and_taken_back_and_the_configuration_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("config.json");
        std::fs::write(&target, "{\"language\": \"en\"}").unwrap();
        let mut draft = Draft::open(&target).unwrap();
        for (step, key, value) in [
            ("camera", "camera.source", "/dev/video7"),
            ("server", "server_url", "http://a:1"),
        ] {
            let before = draft.text().to_owned();
            draft.set(key, value).unwrap();
            let past = Past {
                step: step.to_owned(),
                before,
                note: json!(1),
            };
            draft.push(past).unwrap();
        }
        assert!(draft.set("server_url", "ftp://a").is_err());
        let mut again = Draft::open(&target).unwrap();
        assert_eq!(again.past(), draft.past());
        let url = |draft: &Draft| draft.config().unwrap().server_url;
        assert_eq!(url(&again).as_deref(), Some("http://a:1"));
        assert_eq!(again.pop().unwrap().unwrap().step, "server");
        assert_eq!(url(&again), None);
        assert!(again.text().contains("video7"));
        again.begin_anew().unwrap();
        assert!(again.past().is_empty() && !again.text().contains("video7"));
        assert_eq!(
            std::fs::read_to_string(&target).unwrap(),
            "{\"language\": \"en\"}"
        );
        again.finish();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_configuration_that_is_not_valid_is_not_touched_and_a_missing_one_is_made_up() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("config.json");
        assert_eq!(Draft::open(&target).unwrap().text(), NOTHING);
        std::fs::remove_dir_all(folder.path().join("config.json.setup")).unwrap();
        std::fs::write(&target, "{\"camra\": 1}").unwrap();
        let why = format!("{:#}", Draft::open(&target).unwrap_err());
        assert!(why.contains("camra"), "{why}");
    }
}
