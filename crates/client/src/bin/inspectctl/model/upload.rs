//! The messages of an installation: the header, then the graphs in pieces.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use indicatif::ProgressBar;
use inspectd_client::proto::install_model_request::Part;
use inspectd_client::proto::{InstallHeader, InstallModelRequest};
use inspectd_core::bundle::{Bundle, MANIFEST_FILE};

/// The largest piece that the daemon accepts.
const PIECE_BYTES: usize = 1 << 20;

/// A bundle that is sent: an iterator over its messages. The graphs stay in memory, so that what is sent is what was
/// verified.
#[derive(Debug)]
pub struct Upload {
    header: Option<InstallHeader>,
    bundle: Bundle,
    /// Bytes of all graphs that were sent.
    sent: usize,
    bar: ProgressBar,
}

impl Upload {
    /// Reads the bundle, and verifies its manifest and the hashes of its graphs. `header` has what is requested; the fields of the
    /// bundle are filled in.
    ///
    /// # Errors
    /// When it cannot be read, or is not valid.
    pub fn open(folder: &Path, mut header: InstallHeader) -> Result<Self, anyhow::Error> {
        // The text of the error contains its cause.
        let bundle = Bundle::open(folder).map_err(|error| anyhow!("{error}"))?;
        let file = folder.join(MANIFEST_FILE);
        header.manifest = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let mut sizes = bundle.graphs().iter().map(|graph| graph.len() as u64);
        header.graph_size = sizes.next().unwrap_or_default();
        header.variant_sizes = sizes.collect();
        Ok(Self {
            header: Some(header),
            bundle,
            sent: 0,
            bar: ProgressBar::hidden(),
        })
    }

    /// Size of the graphs, bytes.
    pub fn size(&self) -> u64 {
        self.bundle
            .graphs()
            .iter()
            .map(|graph| graph.len() as u64)
            .sum()
    }

    /// The next bytes of the graph of which not all bytes were sent.
    fn next_piece(&self) -> Option<Vec<u8>> {
        let mut sent = self.sent;
        for graph in self.bundle.graphs() {
            if let Some(piece) = graph
                .get(sent..)
                .and_then(|rest| rest.chunks(PIECE_BYTES).next())
            {
                return Some(piece.to_vec());
            }
            sent -= graph.len();
        }
        None
    }

    /// Shows on `bar` what is sent.
    pub fn with_bar(self, bar: ProgressBar) -> Self {
        Self { bar, ..self }
    }
}

impl Iterator for Upload {
    type Item = InstallModelRequest;

    fn next(&mut self) -> Option<InstallModelRequest> {
        let part = if let Some(header) = self.header.take() {
            Part::Header(header)
        } else {
            let piece = self.next_piece()?;
            self.sent += piece.len();
            self.bar.set_position(self.sent as u64);
            Part::Graph(piece)
        };
        Some(InstallModelRequest { part: Some(part) })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use inspectd_core::bundle::sha256;
    use inspectd_core::manifest::Manifest;

    use super::*;

    /// A new bundle with this graph.
    fn bundle(folder: &Path, graph: &[u8]) -> PathBuf {
        let text = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/daemon/testdata/manifest.toml"
        ));
        let text = text.replace("SHA256", &sha256(graph));
        let text = text.replace("THRESHOLD", "0.5");
        let manifest = Manifest::parse(Path::new(MANIFEST_FILE), &text).expect("valid");
        let bundle = folder.join("bundle");
        Bundle::write(&bundle, manifest, vec![graph.to_vec()]).expect("written");
        bundle
    }

    #[test]
    fn header_is_followed_by_pieces_that_make_up_the_graph() {
        let folder = tempfile::tempdir().expect("a folder");
        let graph: Vec<u8> = (0..=250).cycle().take(2 * PIECE_BYTES + 7).collect();
        let bundle = bundle(folder.path(), &graph);
        let options = InstallHeader {
            dry_run: true,
            ..InstallHeader::default()
        };
        let upload = Upload::open(&bundle, options).expect("a valid bundle");
        assert_eq!(upload.size(), graph.len() as u64);
        let mut parts = upload.map(|message| message.part.expect("it is set"));
        let Some(Part::Header(header)) = parts.next() else {
            panic!("the first message is not the header")
        };
        let manifest = fs::read_to_string(bundle.join(MANIFEST_FILE)).expect("text");
        assert_eq!(header.manifest, manifest);
        assert_eq!(header.graph_size, graph.len() as u64);
        assert!(header.dry_run && !header.without_challenge);
        let pieces: Vec<_> = parts
            .map(|part| match part {
                Part::Graph(piece) => piece,
                Part::Header(_) => panic!("a second header"),
            })
            .collect();
        let sizes: Vec<_> = pieces.iter().map(Vec::len).collect();
        assert_eq!(sizes, [PIECE_BYTES, PIECE_BYTES, 7]);
        assert!(pieces.concat() == graph, "the pieces are not the graph");
    }

    #[test]
    fn damaged_graph_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let bundle = bundle(folder.path(), b"graph");
        fs::write(bundle.join("model.onnx"), "grapf").expect("written");
        let error = Upload::open(&bundle, InstallHeader::default()).expect_err("another graph");
        let text = format!("{error:#}");
        assert!(text.contains("model.onnx: SHA-256 is "), "{text}");
    }
}
