//! The step that finds the camera.

use anyhow::Result;
use serde_json::Value;

use super::{Outcome, Work, ask, done};
use crate::cli::devices;
use crate::config::Source;
use crate::follow::camera;
use crate::say;

pub(super) fn camera(work: &mut Work, answer: &Value) -> Result<Outcome> {
    let source = match answer {
        Value::String(name) => name.clone(),
        Value::Number(number) => number.to_string(),
        _ => choose(work)?,
    };
    work.draft.set("camera.source", &source)?;
    work.draft.set("camera.enabled", "true")?;
    let camera = work.config()?.camera;
    Ok(match camera::probe::probe(&camera, &work.clock) {
        Ok(told) => done(told),
        Err(why) => Outcome::Failed(format!("{why:#}")),
    })
}

/// Asks which of those that are there, or for the address of another one.
fn choose(work: &Work) -> Result<String> {
    let mut found = devices::camera_names();
    let mut texts: Vec<String> = found
        .iter()
        .map(|(name, about)| format!("{name}  {about}"))
        .collect();
    texts.push(say!(
        "a camera on the network, by its address",
        "ネットワークカメラ（アドレスを入力）"
    ));
    let question = say!("Which camera?", "どのカメラを使いますか?");
    let chosen = ask::pick(&question, texts, 0)?;
    if chosen < found.len() {
        return Ok(found.swap_remove(chosen).0);
    }
    let already = match work.config()?.camera.source {
        Source::Name(name) if name.contains("://") => name,
        _ => "http://".to_owned(),
    };
    let help = say!(
        "the stream itself (MJPEG), for example http://192.168.1.40:8080/video",
        "MJPEG ストリームのアドレス。例: http://192.168.1.40:8080/video"
    );
    let question = say!("Address of the camera:", "カメラのアドレス:");
    ask::text(&question, &already, &help)
}
