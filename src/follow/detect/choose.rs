//! Which detector this machine can run.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::Detector;
use super::haar::Haar;
use super::yunet::{MODELS, YuNet};
use crate::config::{self, DetectorKind};
use crate::follow::camera::opencv_runtime;
use crate::{say, say_info, say_warn};

/// Where packages put the models.
const SYSTEM_MODELS: &str = "/usr/share/facetap/models";

/// Opens the configured detector: for `auto` YuNet where a model works with this OpenCV, else Haar, which
/// is logged.
///
/// # Errors
/// The configured one does not work here; the message says where it was looked for and what to do.
pub fn open(config: &config::Detector, data_dir: &Path) -> Result<Box<dyn Detector>> {
    let folders = match &config.model_dir {
        Some(dir) => vec![dir.clone()],
        None => vec![SYSTEM_MODELS.into(), data_dir.to_owned()],
    };
    if config.kind == DetectorKind::Haar {
        return Ok(Box::new(Haar::open(config.min_face)?));
    }
    let why = match yunet(&folders, config.min_face) {
        Ok(detector) => return Ok(Box::new(detector)),
        Err(why) => why,
    };
    if config.kind == DetectorKind::Yunet {
        bail!(say!(
            "detector.kind \"yunet\": {why}; fetch the models with scripts/fetch-models.sh, or set detector.kind to \"auto\"",
            "カメラ: detector.kind \"yunet\": {why}。scripts/fetch-models.sh でモデルを取得するか、detector.kind を \"auto\" にしてください"
        ));
    }
    match Haar::open(config.min_face) {
        Ok(haar) => {
            let what = haar.describe();
            say_info!(
                "detector: {why}; using {what} instead, which finds fewer faces; scripts/fetch-models.sh fetches YuNet",
                "カメラ: {why}。代わりに {what} を使います (検出率は下がります)。YuNet は scripts/fetch-models.sh で取得できます"
            );
            Ok(Box::new(haar))
        }
        Err(haar) => bail!(say!(
            "no face detector: {why}, and {haar}; scripts/fetch-models.sh fetches the models",
            "カメラ: 顔検出器がありません: {why}。{haar}。モデルは scripts/fetch-models.sh で取得できます"
        )),
    }
}

/// The first model that works, else what was tried, for people.
fn yunet(folders: &[PathBuf], min_face: u32) -> Result<YuNet, String> {
    let mut tried = Vec::new();
    for folder in folders {
        for model in MODELS {
            let path = folder.join(model.file);
            if !path.exists() {
                continue;
            }
            match YuNet::open(&path, model, min_face) {
                Ok(detector) => return Ok(detector),
                Err(e) => tried.push(format!("{}: {e}", path.display())),
            }
        }
    }
    let version = opencv_runtime::version();
    let folders = folders
        .iter()
        .map(|f| f.display().to_string())
        .collect::<Vec<_>>()
        .join(", ");
    if tried.is_empty() {
        return Err(say!(
            "no YuNet model in {folders} (OpenCV {version})",
            "{folders} に YuNet のモデルがありません (OpenCV {version})"
        ));
    }
    for line in &tried {
        say_warn!("detector: {line}", "カメラ: {line}");
    }
    Err(say!(
        "no YuNet model in {folders} works with OpenCV {version}",
        "{folders} の YuNet モデルは OpenCV {version} では動きません"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::camera::Picture;
    use crate::follow::detect::tests::shared;

    fn with(kind: DetectorKind, model_dir: Option<PathBuf>) -> Result<Box<dyn Detector>> {
        let config = config::Detector {
            kind,
            model_dir,
            min_face: 40,
        };
        open(&config, Path::new("/no/data"))
    }

    fn failure(kind: DetectorKind, dir: &Path) -> String {
        with(kind, Some(dir.to_owned())).err().unwrap().to_string()
    }

    #[test]
    fn without_a_model_yunet_says_where_it_was_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        let why = failure(DetectorKind::Yunet, dir.path());
        let folder = dir.path().display().to_string();
        assert!(
            why.contains(&folder) && why.contains("fetch-models.sh"),
            "{why}"
        );
        assert!(why.contains("OpenCV 4."), "{why}");
    }

    #[test]
    fn a_file_that_is_no_model_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        for model in MODELS {
            std::fs::write(dir.path().join(model.file), "version https://git-lfs").unwrap();
        }
        let why = failure(DetectorKind::Yunet, dir.path());
        assert!(why.contains("works with OpenCV"), "{why}");
    }

    #[test]
    fn auto_falls_back_to_haar() {
        let dir = tempfile::tempdir().unwrap();
        match with(DetectorKind::Auto, Some(dir.path().to_owned())) {
            Ok(mut detector) => {
                assert!(detector.describe().contains("Haar"));
                assert!(detector.detect(&Picture::Jpeg(Vec::new())).is_err());
            }
            Err(e) => {
                assert!(e.to_string().contains("opencv-data"), "{e:#}");
                eprintln!("SKIPPED: the package opencv-data is not installed");
            }
        }
    }

    #[test]
    fn auto_takes_the_model_that_works() {
        let Some(shared) = shared() else { return };
        let detector = with(DetectorKind::Auto, Some(shared.join("models"))).unwrap();
        let version = opencv_runtime::version();
        let old = ["4.5", "4.6", "4.7"].iter().any(|v| version.starts_with(v));
        let want = if old { "2022mar" } else { "2023mar" };
        let what = detector.describe();
        assert!(what.contains(want) && what.contains(&version), "{what}");
    }
}
