//! `facetap setup`: the first hour, step by step, up to a service that runs.
//!
//! What is chosen goes into a draft ([`draft`]), so that the configuration is as it was until the step that writes it.
//! [`walk`] goes from step to step, forth and back; [`answers`] stand in for a person.

mod answers;
mod ask;
mod camera;
mod cards;
mod draft;
mod motion;
mod neutral;
mod place;
mod servos;
mod walk;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::Value;

use super::{Usage, env, prepare_libraries, print};
use crate::base::clock::{Clock, SystemClock};
use crate::base::proc;
use crate::base::signals;
use crate::base::stop::{Reason, Stop};
use crate::base::text::{self, Language};
use crate::base::threads::Threads;
use crate::config::{self, Config};
use crate::say;
use crate::watch::health::state;

use answers::Answers;
use draft::Draft;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Every step can be left out, taken back and, after Ctrl-C, taken up again. Nothing is written into the configuration before the step that says so.\n\nExamples:\n  sudo systemctl stop facetap && sudo facetap setup\n  sudo facetap setup --answers answers.json"
)]
pub(super) struct SetupOptions {
    /// The configuration that is made or changed [default: $FACETAP_CONFIG, else
    /// /etc/facetap/config.json]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Answers in the place of a person (see docs/setup.md)
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
    /// Puts the configuration back that was there before the last set-up
    #[arg(long, conflicts_with = "answers")]
    pub undo: bool,
}

/// What all steps share.
struct Work {
    draft: Draft,
    /// None where a person is asked.
    answers: Option<Answers>,
    clock: Arc<dyn Clock>,
    stop: Stop,
    threads: Threads,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.stop.request(Reason::Duration);
        std::mem::take(&mut self.threads).join(&self.clock, Duration::from_secs(1));
    }
}

impl Work {
    /// The configuration as it would be by now.
    fn config(&self) -> Result<Config> {
        self.draft.config()
    }

    /// Whether there is nobody to ask.
    fn is_alone(&self) -> bool {
        self.answers.is_some()
    }
}

/// What became of a step.
enum Outcome {
    /// What there is now, for people; what has to be known to take it back.
    Done(String, Value),
    /// Why it is not as it should be. The next steps may go on all the same.
    Failed(String),
}

/// A step that changes the draft alone.
fn done(said: String) -> Outcome {
    Outcome::Done(said, Value::Null)
}

/// One step.
struct Step {
    /// In answers and in the file of what is done.
    key: &'static str,
    title: fn() -> String,
    /// With an answer, or null where a person is asked.
    run: fn(&mut Work, &Value) -> Result<Outcome>,
    /// Takes back what is not in the draft, by what the step has left to know.
    undo: fn(&Work, &Value) -> Result<()>,
}

/// For what is in the draft alone.
fn nothing_else(_: &Work, _: &Value) -> Result<()> {
    Ok(())
}

/// The steps in their order.
const STEPS: [Step; 11] = [
    Step {
        key: "language",
        title: || "Language / 言語".to_owned(),
        run: place::language,
        undo: nothing_else,
    },
    Step {
        key: "time",
        title: || say!("Time zone and clock", "タイムゾーンと時計"),
        run: place::time,
        undo: nothing_else,
    },
    Step {
        key: "camera",
        title: || say!("Camera", "カメラ"),
        run: camera::camera,
        undo: nothing_else,
    },
    Step {
        key: "servos",
        title: || say!("Servos: port and ids", "サーボ: ポートとID"),
        run: servos::servos,
        undo: servos::ids_stay,
    },
    Step {
        key: "neutral",
        title: || say!("Servos: straight ahead", "サーボ: 正面の位置"),
        run: neutral::neutral,
        undo: neutral::undo,
    },
    Step {
        key: "directions",
        title: || {
            say!(
                "Servos: directions, seen by the camera",
                "サーボ: 回転方向（カメラで確認）"
            )
        },
        run: motion::directions,
        undo: nothing_else,
    },
    Step {
        key: "delay",
        title: || {
            say!(
                "Camera: delay and field of view",
                "カメラ: 遅延と画角の測定"
            )
        },
        run: motion::delay,
        undo: nothing_else,
    },
    Step {
        key: "cards",
        title: || say!("Card reader: a test tap", "カードリーダー: テスト"),
        run: cards::cards,
        undo: nothing_else,
    },
    Step {
        key: "server",
        title: || say!("Attendance server", "勤怠サーバー"),
        run: place::server,
        undo: nothing_else,
    },
    Step {
        key: "write",
        title: || say!("Writing the configuration", "設定の書き込み"),
        run: write::write,
        undo: write::undo,
    },
    Step {
        key: "service",
        title: || say!("Starting the service", "サービスの起動"),
        run: write::service,
        undo: nothing_else,
    },
];

pub(super) fn setup(options: &SetupOptions) -> Result<u8> {
    text::speak(Language::from_locale());
    let target = config::file_of(options.config.as_deref(), &env);
    let target = target.canonicalize().unwrap_or(target);
    if options.undo {
        return write::put_back(&target);
    }
    let keys: Vec<&str> = STEPS.iter().map(|step| step.key).collect();
    let answers = match &options.answers {
        Some(file) => Some(Answers::read(file, &keys)?),
        None if !ask::is_interactive() => bail!(Usage(say!(
            "there is no terminal to ask at; give a file with the answers: --answers FILE (see docs/setup.md)",
            "端末がないため質問できません。--answers で回答ファイルを指定してください（docs/setup.md を参照）"
        ))),
        None => None,
    };
    prepare_libraries();
    let draft = Draft::open(&target)?;
    let config = draft.config()?;
    text::speak(config.language.unwrap_or_else(Language::from_locale));
    not_while_the_service_runs(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stop = Stop::new();
    let mut threads = Threads::default();
    signals::watch(&mut threads, &stop, || ())?;
    let mut work = Work {
        draft,
        answers,
        clock,
        stop,
        threads,
    };
    print(say!(
        "FaceTap is set up for {}. Ctrl-C leaves at any time.",
        "FaceTap の初期設定: {}。Ctrl-C でいつでも中断できます。",
        target.display()
    ));
    walk::walk(&mut work, &STEPS)
}

/// Camera, servos and readers belong to one program at a time.
fn not_while_the_service_runs(config: &Config) -> Result<()> {
    let data_dir = config::data_dir_to_read(config, &env);
    if let Some((_, service)) = state::find(&data_dir, &env)
        && service.presence() != proc::Presence::Gone
    {
        bail!(say!(
            "the service is running (process {}) and holds camera, servos and readers: sudo systemctl stop facetap, then again",
            "サービスが動作中です (プロセス {})。sudo systemctl stop facetap で停止してから再実行してください",
            service.pid
        ));
    }
    Ok(())
}
