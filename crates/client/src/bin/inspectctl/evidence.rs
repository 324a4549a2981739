//! `inspectctl evidence`: saves the heatmap or the frame of a recent verdict.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use inspectd_client::proto::ImageFormat;
use inspectd_client::{Client, Evidence};
use thiserror::Error;

use crate::failure::Failure;
use crate::{format, image_file};

/// Arguments of `evidence`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Sequence of the verdict.
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    sequence: u64,
    /// File to write, .png or .jpg; - is standard output.
    #[arg(short, long, value_name = "FILE")]
    output: OutputArg,
    /// Save the frame without the heatmap.
    #[arg(long)]
    frame: bool,
    /// Write JPEG; only required with -o -, which has no file name.
    #[arg(long)]
    jpeg: bool,
}

/// The destination of the image, which selects its format.
#[derive(Clone, Debug, PartialEq, Eq)]
enum OutputArg {
    Stdout,
    Png(PathBuf),
    Jpeg(PathBuf),
}

/// The name is not that of an image file.
#[derive(Debug, Error)]
#[error("must end in .png, .jpg or .jpeg, or be - for standard output")]
struct OutputArgError;

impl FromStr for OutputArg {
    type Err = OutputArgError;

    fn from_str(text: &str) -> Result<Self, OutputArgError> {
        if text == "-" {
            return Ok(Self::Stdout);
        }
        let path = PathBuf::from(text);
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        match extension.to_str() {
            Some("png") => Ok(Self::Png(path)),
            Some("jpg" | "jpeg") => Ok(Self::Jpeg(path)),
            _ => Err(OutputArgError),
        }
    }
}

impl Arguments {
    fn format(&self) -> Result<ImageFormat, anyhow::Error> {
        match (&self.output, self.jpeg) {
            (OutputArg::Png(path), true) => {
                anyhow::bail!("--jpeg cannot be used with {}", path.display())
            }
            (OutputArg::Stdout | OutputArg::Png(_), false) => Ok(ImageFormat::Png),
            (OutputArg::Stdout | OutputArg::Jpeg(_), true) | (OutputArg::Jpeg(_), false) => {
                Ok(ImageFormat::Jpeg)
            }
        }
    }
}

/// Fetches the evidence and writes the image.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    let format = arguments.format()?;
    let evidence = client.evidence(arguments.sequence, format).await?;
    let bytes = choose(&evidence, arguments.frame)?;
    match &arguments.output {
        OutputArg::Stdout => Ok(std::io::stdout().write_all(bytes)?),
        OutputArg::Png(path) | OutputArg::Jpeg(path) => save(path, bytes),
    }
}

/// The requested image of the evidence.
fn choose(evidence: &Evidence, frame: bool) -> Result<&[u8], anyhow::Error> {
    let verdict = &evidence.verdict;
    if frame {
        let frame = evidence.frame.as_deref();
        return frame.ok_or_else(|| anyhow::anyhow!("verdict {} has no frame", verdict.sequence));
    }
    evidence.heatmap.as_deref().ok_or_else(|| {
        anyhow::anyhow!(
            "verdict {} is a {} and has no heatmap; --frame saves its frame",
            verdict.sequence,
            format::decision(verdict.decision()).to_uppercase()
        )
    })
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
    fn extension_selects_the_format() {
        let check = |text: &str, expected: Option<OutputArg>| {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        };
        check("-", Some(OutputArg::Stdout));
        check("a/b.png", Some(OutputArg::Png("a/b.png".into())));
        check("b.JPG", Some(OutputArg::Jpeg("b.JPG".into())));
        check("b.jpeg", Some(OutputArg::Jpeg("b.jpeg".into())));
        check("b.gif", None);
        check("png", None);
        check("", None);
    }

    #[test]
    fn jpeg_flag_selects_the_format_of_standard_output() {
        let check = |output: &str, jpeg, expected: Option<ImageFormat>| {
            let arguments = Arguments {
                sequence: 1,
                output: output.parse().expect("an output"),
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
    fn missing_image_is_an_error_that_names_the_verdict() {
        let check = |frame: &[u8], heatmap: &[u8], bare, expected: Result<&[u8], &str>| {
            let file = |bytes: &[u8]| (!bytes.is_empty()).then(|| bytes.to_vec());
            let evidence = Evidence {
                verdict: Verdict {
                    sequence: 7,
                    decision: Decision::Fault.into(),
                    ..Verdict::default()
                },
                frame: file(frame),
                heatmap: file(heatmap),
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
