//! The inputs and outputs that a server names for a model.

use crate::ServedModel;
use crate::error::{Error, shortened};
use crate::proto::ModelMetadataResponse;
use crate::proto::model_metadata_response::TensorMetadata;

/// Checks that the model has the input `frame` and the outputs of `model`, and the version if one is given. A server may have
/// more outputs; they are not asked for. A free dimension of the server fits every size.
///
/// # Errors
/// When the model is another one.
pub(crate) fn check(model: &ServedModel, found: &ModelMetadataResponse) -> Result<(), Error> {
    let refuse = |found: String, expected: String| Err(Error::Ports { found, expected });
    if found.name != model.name {
        let name = format!("the name {:?}", shortened(&found.name));
        return refuse(name, format!("{:?}", model.name));
    }
    if let Some(version) = &model.version
        && !found.versions.is_empty()
        && !found.versions.contains(version)
    {
        let versions = shortened(&found.versions.join(", "));
        return refuse(format!("the versions {versions}"), version.clone());
    }
    let input = model.input_shape(-1);
    let is_input = |tensor: &TensorMetadata| fits(tensor, "frame", "UINT8", &input);
    if found.inputs.len() != 1 || !found.inputs.iter().all(is_input) {
        let expected = described("frame", "UINT8", &input);
        return refuse(format!("the inputs {}", listed(&found.inputs)), expected);
    }
    let shape = model.map_shape(-1);
    for name in model.outputs() {
        let named = found.outputs.iter().filter(|output| output.name == *name);
        let named: Vec<_> = named.collect();
        if named.len() != 1 || !fits(named[0], name, "FP32", &shape) {
            let expected = described(name, "FP32", &shape);
            return refuse(format!("the outputs {}", listed(&found.outputs)), expected);
        }
    }
    Ok(())
}

fn fits(tensor: &TensorMetadata, name: &str, datatype: &str, shape: &[i64]) -> bool {
    let same = |(found, expected): (&i64, &i64)| *found == -1 || found == expected;
    tensor.name == name
        && tensor.datatype == datatype
        && tensor.shape.len() == shape.len()
        && tensor.shape.iter().zip(shape).all(same)
}

fn described(name: &str, datatype: &str, shape: &[i64]) -> String {
    format!("{name}: {datatype}{shape:?}")
}

fn listed(tensors: &[TensorMetadata]) -> String {
    let described = tensors
        .iter()
        .map(|tensor| described(&tensor.name, &tensor.datatype, &tensor.shape));
    let texts: Vec<String> = described.collect();
    shortened(&texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ServedModel {
        ServedModel {
            name: "cells".to_owned(),
            version: None,
            frame_size: [32, 16],
            map_size: [8, 4],
            has_logical: true,
        }
    }

    fn tensor(name: &str, datatype: &str, shape: &[i64]) -> TensorMetadata {
        TensorMetadata {
            name: name.to_owned(),
            datatype: datatype.to_owned(),
            shape: shape.to_vec(),
        }
    }

    fn metadata() -> ModelMetadataResponse {
        ModelMetadataResponse {
            name: "cells".to_owned(),
            versions: vec!["1".to_owned()],
            platform: "onnxruntime_onnx".to_owned(),
            inputs: vec![tensor("frame", "UINT8", &[-1, 16, 32, 3])],
            outputs: vec![
                tensor("logical", "FP32", &[-1, 4, 8]),
                tensor("structural", "FP32", &[-1, -1, -1]),
            ],
        }
    }

    #[test]
    fn model_with_the_inputs_and_outputs_of_the_bundle_is_accepted() {
        assert_eq!(check(&model(), &metadata()), Ok(()));
        let version = Some("1".to_owned());
        assert_eq!(
            check(&ServedModel { version, ..model() }, &metadata()),
            Ok(())
        );
    }

    #[test]
    fn any_other_model_is_refused() {
        let refused = |change: &dyn Fn(&mut ModelMetadataResponse), text: &str| {
            let mut found = metadata();
            change(&mut found);
            let error = check(&model(), &found).expect_err(text).to_string();
            assert!(error.contains(text), "{error}");
        };
        refused(
            &|found| found.name = "bottle".to_owned(),
            "the name \"bottle\"",
        );
        refused(
            &|found| found.inputs.clear(),
            "must be frame: UINT8[-1, 16, 32, 3]",
        );
        refused(
            &|found| found.inputs[0].datatype = "FP32".to_owned(),
            "frame: FP32",
        );
        refused(
            &|found| found.inputs[0].shape[1] = 32,
            "frame: UINT8[-1, 32, 32, 3]",
        );
        refused(
            &|found| found.inputs[0].shape.truncate(3),
            "frame: UINT8[-1, 16, 32]",
        );
        let twice = |found: &mut ModelMetadataResponse| {
            let input = found.inputs[0].clone();
            found.inputs.push(input);
        };
        refused(&twice, "the inputs frame");
        refused(&|found| found.outputs.truncate(1), "must be structural");
        refused(
            &|found| found.outputs[0].datatype = "FP16".to_owned(),
            "logical: FP16",
        );
        let version = Some("2".to_owned());
        let error = check(&ServedModel { version, ..model() }, &metadata());
        assert!(
            error
                .expect_err("another version")
                .to_string()
                .contains("must be 2")
        );
    }
}
