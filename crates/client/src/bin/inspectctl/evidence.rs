//! `inspectctl evidence`: the picture of a recent verdict, in a file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use inspectd_client::proto::{GetEvidenceRequest, GetEvidenceResponse, ImageFormat};
use thiserror::Error;

use crate::connection::{ANSWER_TIMEOUT, Daemon};
use crate::failure::Failure;
use crate::{format, image_file};

/// Of `evidence`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The verdict's sequence.
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    sequence: u64,
    /// The file, .png or .jpg; - is standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Target,
    /// The bare frame rather than the frame with heat over it.
    #[arg(long)]
    frame: bool,
    /// JPEG; only needed with -o -, where no name tells the format.
    #[arg(long)]
    jpeg: bool,
}

/// Where a picture goes, and so how it is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Stdout,
    Png(PathBuf),
    Jpeg(PathBuf),
}

/// Why a name is none for a picture.
#[derive(Debug, Error)]
#[error("must end in .png, .jpg or .jpeg, or be - for standard output")]
struct TargetError;

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text == "-" {
            return Ok(Self::Stdout);
        }
        let path = PathBuf::from(text);
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        match extension.to_str() {
            Some("png") => Ok(Self::Png(path)),
            Some("jpg" | "jpeg") => Ok(Self::Jpeg(path)),
            _ => Err(TargetError),
        }
    }
}

impl Arguments {
    fn format(&self) -> Result<ImageFormat, anyhow::Error> {
        match (&self.output, self.jpeg) {
            (Target::Png(path), true) => {
                anyhow::bail!("--jpeg contradicts {}", path.display())
            }
            (Target::Stdout | Target::Png(_), false) => Ok(ImageFormat::Png),
            (Target::Stdout | Target::Jpeg(_), true) | (Target::Jpeg(_), false) => {
                Ok(ImageFormat::Jpeg)
            }
        }
    }
}

/// Fetches it and writes it.
pub async fn run(daemon: &Daemon, arguments: &Arguments) -> Result<(), Failure> {
    let format = arguments.format()?;
    let evidence = fetch(daemon, arguments.sequence, format).await?;
    let bytes = choose(&evidence, arguments.frame)?;
    match &arguments.output {
        Target::Stdout => Ok(std::io::stdout().write_all(bytes)?),
        Target::Png(path) | Target::Jpeg(path) => save(path, bytes),
    }
}

/// Asks for the pictures of a verdict.
///
/// # Errors
/// When the daemon is away, or keeps them no longer.
pub async fn fetch(
    daemon: &Daemon,
    sequence: u64,
    format: ImageFormat,
) -> Result<GetEvidenceResponse, Failure> {
    let mut inspection = daemon.inspection();
    let call = inspection.get_evidence(GetEvidenceRequest {
        sequence,
        format: format.into(),
    });
    daemon.answer(ANSWER_TIMEOUT, call).await
}

fn choose(evidence: &GetEvidenceResponse, frame: bool) -> Result<&[u8], anyhow::Error> {
    let verdict = evidence.verdict.clone().unwrap_or_default();
    match (
        frame,
        evidence.frame.is_empty(),
        evidence.heatmap.is_empty(),
    ) {
        (true, true, _) => anyhow::bail!("verdict {} has no frame", verdict.sequence),
        (true, false, _) => Ok(&evidence.frame),
        (false, _, false) => Ok(&evidence.heatmap),
        (false, _, true) => anyhow::bail!(
            "verdict {} is a {} and has no heatmap; --frame saves its frame",
            verdict.sequence,
            format::decision(verdict.decision()).to_uppercase()
        ),
    }
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    image_file::write(path, bytes)?;
    Ok(writeln!(anstream::stdout(), "{}", path.display())?)
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{Decision, Verdict};

    use super::*;

    #[test]
    fn a_name_tells_the_format() {
        let check = |text: &str, expected: Option<Target>| {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        };
        check("-", Some(Target::Stdout));
        check("a/b.png", Some(Target::Png("a/b.png".into())));
        check("b.JPG", Some(Target::Jpeg("b.JPG".into())));
        check("b.jpeg", Some(Target::Jpeg("b.jpeg".into())));
        check("b.gif", None);
        check("png", None);
        check("", None);
    }

    #[test]
    fn the_flag_tells_it_where_no_name_does() {
        let check = |output: &str, jpeg, expected: Option<ImageFormat>| {
            let arguments = Arguments {
                sequence: 1,
                output: output.parse().expect("a target"),
                frame: false,
                jpeg,
            };
            assert_eq!(arguments.format().ok(), expected, "{output} {jpeg}");
        };
        check("-", false, Some(ImageFormat::Png));
        check("-", true, Some(ImageFormat::Jpeg));
        check("a.png", false, Some(ImageFormat::Png));
        check("a.png", true, None);
        check("a.jpg", false, Some(ImageFormat::Jpeg));
        check("a.jpg", true, Some(ImageFormat::Jpeg));
    }

    #[test]
    fn a_picture_that_is_not_there_is_an_error() {
        let check = |frame: &[u8], heatmap: &[u8], bare, expected: Result<&[u8], &str>| {
            let evidence = GetEvidenceResponse {
                verdict: Some(Verdict {
                    sequence: 7,
                    decision: Decision::Fault.into(),
                    ..Verdict::default()
                }),
                frame: frame.into(),
                heatmap: heatmap.into(),
            };
            let chosen = choose(&evidence, bare).map_err(|error| error.to_string());
            assert_eq!(chosen, expected.map_err(ToOwned::to_owned));
        };
        check(b"f", b"h", false, Ok(b"h"));
        check(b"f", b"h", true, Ok(b"f"));
        check(b"f", b"", true, Ok(b"f"));
        check(b"", b"h", true, Err("verdict 7 has no frame"));
        check(
            b"f",
            b"",
            false,
            Err("verdict 7 is a FAULT and has no heatmap; --frame saves its frame"),
        );
    }
}
