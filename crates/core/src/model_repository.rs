//! The model repository of NVIDIA Triton: the graphs of bundles, in the folders in which the server looks for them.
//!
//! ```text
//! REPOSITORY/bottle-0123456789ab/config.pbtxt
//! REPOSITORY/bottle-0123456789ab/1/model.onnx
//! ```
//! The name of a folder is [`ModelId::served_name`](crate::record::ModelId::served_name), which has the beginning of the graph's
//! SHA-256: a folder never has another graph, and models of several versions and precisions are served at the same time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::atomic_file;
use crate::bundle::Bundle;
use crate::frame::CHANNELS;
use crate::manifest::Manifest;
use crate::precision::Precision;

/// File name of a model's configuration.
const CONFIG_FILE: &str = "config.pbtxt";

/// The only version of a model, and the file of its graph.
const GRAPH_FILE: &str = "1/model.onnx";

/// Why a graph was not written.
#[derive(Debug, Error)]
pub enum RepositoryError {
    /// A file system operation failed.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// There is a model of this name with another content. It is kept, because a server may use it.
    #[error("{}: exists and is another one; it is kept, because a server may use it. Remove its folder to write it again", .path.display())]
    Other {
        /// The file that differs.
        path: PathBuf,
    },
}

/// Writes the graphs of a bundle to a repository, and returns the folder of each, the main one first. A folder is written as a
/// whole. One that is there with the same content stays as it is.
///
/// # Errors
/// When a folder is there with another content, or cannot be written. Folders before it were written.
pub fn write(repository: &Path, bundle: &Bundle) -> Result<Vec<PathBuf>, RepositoryError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| RepositoryError::Io { path, source }
    };
    fs::create_dir_all(repository).map_err(failed(repository))?;
    let precisions = bundle.manifest().precisions();
    let mut folders = Vec::new();
    for (precision, graph) in precisions.zip(bundle.graphs()) {
        let Some(manifest) = bundle.manifest().select(precision) else {
            continue;
        };
        let folder = repository.join(manifest.model_id().served_name());
        let config = config(&manifest);
        if folder.exists() {
            for (name, content) in [(CONFIG_FILE, config.as_bytes()), (GRAPH_FILE, graph)] {
                let path = folder.join(name);
                if fs::read(&path).map_err(failed(&path))? != content {
                    return Err(RepositoryError::Other { path });
                }
            }
        } else {
            atomic_file::replace_folder(&folder, |new| {
                fs::create_dir(new.join("1"))?;
                fs::write(new.join(GRAPH_FILE), graph)?;
                fs::write(new.join(CONFIG_FILE), &config)
            })
            .map_err(failed(&folder))?;
        }
        folders.push(folder);
    }
    Ok(folders)
}

/// The configuration of a model, `config.pbtxt`. The batch is a free dimension of the graph, so it is one of the configuration
/// too, and the server joins no requests: the daemon makes the batches. A graph in 8 bits runs on the CPU, for which it was
/// calibrated.
pub fn config(manifest: &Manifest) -> String {
    let (input, maps) = (&manifest.input, &manifest.maps);
    let output = |name: &str| {
        format!(
            "  {{\n    name: \"{name}\"\n    data_type: TYPE_FP32\n    dims: [ -1, {}, {} ]\n  }}",
            maps.height, maps.width
        )
    };
    let mut outputs = vec![output("structural")];
    outputs.extend(maps.logical.as_ref().map(|_| output("logical")));
    let group = match manifest.graph.precision {
        Precision::Int8 => "instance_group [\n  {\n    kind: KIND_CPU\n  }\n]\n",
        Precision::F32 => "",
    };
    format!(
        "# {} {} of inspectd, in {}\n# SHA-256 of the graph: {}\nname: \"{}\"\nbackend: \"onnxruntime\"\nmax_batch_size: 0\n\
         input [\n  {{\n    name: \"frame\"\n    data_type: TYPE_UINT8\n    dims: [ -1, {}, {}, {CHANNELS} ]\n  }}\n]\n\
         output [\n{}\n]\n{group}",
        manifest.name,
        manifest.version,
        manifest.graph.precision,
        manifest.graph.sha256,
        manifest.model_id().served_name(),
        input.height,
        input.width,
        outputs.join(",\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::sha256;

    const GRAPH: &[u8] = b"a graph";

    fn bundle(folder: &Path) -> Bundle {
        let text = include_str!("../../../tests/daemon/testdata/manifest.toml")
            .replace("SHA256", &sha256(GRAPH))
            .replace("THRESHOLD", "0.6");
        let manifest = Manifest::parse(Path::new("manifest.toml"), &text).expect("a manifest");
        Bundle::new(folder, manifest, vec![GRAPH.to_vec()]).expect("a bundle")
    }

    #[test]
    fn graph_and_configuration_are_written_once_and_never_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = folder.path().join("models");
        let bundle = bundle(folder.path());
        let written = write(&repository, &bundle).expect("written");
        let name = format!("cells-{}", &sha256(GRAPH)[..12]);
        assert_eq!(written, [repository.join(&name)]);
        let config_file = repository.join(&name).join(CONFIG_FILE);
        let text = fs::read_to_string(&config_file).expect("a configuration");
        for part in [
            format!("name: \"{name}\"\nbackend: \"onnxruntime\"\nmax_batch_size: 0\n"),
            "dims: [ -1, 32, 32, 3 ]".to_owned(),
            "name: \"logical\"\n    data_type: TYPE_FP32\n    dims: [ -1, 8, 8 ]".to_owned(),
        ] {
            assert!(text.contains(&part), "{text}");
        }
        let graph = repository.join(&name).join(GRAPH_FILE);
        assert_eq!(fs::read(&graph).expect("a graph"), GRAPH);
        // The same again changes nothing.
        write(&repository, &bundle).expect("the same");
        for file in [config_file, graph] {
            let before = fs::read(&file).expect("a file");
            fs::write(&file, "changed").expect("written");
            let error = write(&repository, &bundle).expect_err("another one");
            assert!(
                error.to_string().contains("exists and is another one"),
                "{error}"
            );
            assert_eq!(fs::read(&file).expect("a file"), b"changed");
            fs::write(&file, before).expect("written");
        }
    }
}
