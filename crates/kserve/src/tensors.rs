//! Requests and answers of runs.

use std::collections::BTreeMap;

use crate::error::{Error, shortened};
use crate::proto::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use crate::proto::{ModelInferRequest, ModelInferResponse};
use crate::{Answer, ServedModel};

/// The request of a run.
///
/// # Errors
/// When `count` is zero, or `pixels` does not have the length of `count` frames.
pub(crate) fn request(
    model: &ServedModel,
    pixels: Vec<u8>,
    count: usize,
) -> Result<ModelInferRequest, Error> {
    if count == 0 || Some(pixels.len()) != count.checked_mul(model.frame_bytes()) {
        return Err(Error::Answer(format!(
            "{} bytes are not the pixels of {count} frames",
            pixels.len()
        )));
    }
    let outputs = model
        .outputs()
        .iter()
        .map(|name| InferRequestedOutputTensor {
            name: (*name).to_owned(),
        });
    Ok(ModelInferRequest {
        model_name: model.name.clone(),
        model_version: model.version.clone().unwrap_or_default(),
        id: String::new(),
        inputs: vec![InferInputTensor {
            name: "frame".to_owned(),
            datatype: "UINT8".to_owned(),
            shape: model.input_shape(count as i64).to_vec(),
        }],
        outputs: outputs.collect(),
        raw_input_contents: vec![pixels],
    })
}

/// Checks an answer, and takes the maps out of it.
///
/// # Errors
/// When it is not exactly what the model gives for `count` frames.
pub(crate) fn answer(
    model: &ServedModel,
    found: ModelInferResponse,
    count: usize,
) -> Result<Answer, Error> {
    let refuse = |text: String| Err(Error::Answer(text));
    if found.model_name != model.name {
        return refuse(format!(
            "it is of the model {:?}",
            shortened(&found.model_name)
        ));
    }
    if let Some(version) = &model.version
        && found.model_version != *version
    {
        return refuse(format!(
            "it is of the version {:?}",
            shortened(&found.model_version)
        ));
    }
    if found.outputs.len() != found.raw_output_contents.len() {
        return refuse(format!(
            "{} outputs have {} raw contents",
            found.outputs.len(),
            found.raw_output_contents.len()
        ));
    }
    let shape = model.map_shape(count as i64);
    let mut maps = BTreeMap::new();
    for (output, bytes) in found.outputs.into_iter().zip(found.raw_output_contents) {
        let known = model.outputs().iter().find(|name| **name == output.name);
        let Some(name) = known else {
            return refuse(format!("it has the output {:?}", shortened(&output.name)));
        };
        if output.datatype != "FP32" {
            return refuse(format!(
                "{name} has the type {:?}",
                shortened(&output.datatype)
            ));
        }
        if output.shape != shape {
            let found = shortened(&format!("{:?}", output.shape));
            return refuse(format!("{name} has the shape {found}, must be {shape:?}"));
        }
        let expected = count * model.map_bytes();
        if bytes.len() != expected {
            return refuse(format!(
                "{name} has {} bytes, must be {expected}",
                bytes.len()
            ));
        }
        let values = finite(name, &bytes, model.map_bytes())?;
        if maps.insert(*name, values).is_some() {
            return refuse(format!("it has the output {name} twice"));
        }
    }
    let Some(structural) = maps.remove("structural") else {
        return refuse("it has no output structural".to_owned());
    };
    let logical = maps.remove("logical");
    if logical.is_some() != model.has_logical {
        return refuse("it has no output logical".to_owned());
    }
    Ok(Answer {
        structural,
        logical,
        version: found.model_version,
    })
}

/// The little-endian floats in `bytes`, whose length is a multiple of `map_bytes`.
fn finite(map: &'static str, bytes: &[u8], map_bytes: usize) -> Result<Vec<f32>, Error> {
    let (values, _) = bytes.as_chunks::<4>();
    let values: Vec<f32> = values
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    match values.iter().position(|value| !value.is_finite()) {
        Some(cell) => Err(Error::NotFinite {
            map,
            index: cell * size_of::<f32>() / map_bytes,
        }),
        None => Ok(values),
    }
}
