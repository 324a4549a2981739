//! Verdicts of the daemon as results of OPC 40100-1, without IO.

use std::fmt::Write as _;

use inspectd_client::proto::{AnomalyKind, FaultReason, RecipeTag};
use inspectd_client::{Decision, Timestamp, Verdict};
use opcua::types::{ByteString, DateTime, ExtensionObject, KeyValuePair, QualifiedName, Variant};
use serde::{Deserialize, Serialize};

use crate::structures::{
    ConfigurationId, InspectionResult, JobId, MeasId, PartId, ProcessingTimes, RecipeIdExternal,
    RecipeIdInternal, ResultId,
};

/// The algorithm of hashes.
pub const HASH_ALGORITHM: &str = "SHA-256";

/// `FaultReason` of a PASS that is unconfirmed.
const UNCONFIRMED: &str = "unconfirmed";
const UNCONFIRMED_MESSAGE: &str =
    "PASS, but the daemon was killed before it knew that the verdict was published like this";

/// `ResultState`: the state of the processing. It says nothing about the part.
pub mod result_state {
    /// The part was judged: the content says how.
    pub const COMPLETED: i32 = 1;
    /// The part was not judged.
    pub const FAILED: i32 = 4;
}

/// What a job writes to the client data of its request, so that the verdict names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobData {
    /// The id of the job.
    pub job: String,
    /// The id of the measurement. Empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub meas: String,
}

/// The envelope of [`JobData`], which distinguishes it from the data of other clients.
#[derive(Deserialize, Serialize)]
struct ClientData {
    opcua: JobData,
}

impl JobData {
    /// Returns the client data of a request.
    pub fn to_client_data(&self) -> Vec<u8> {
        let data = ClientData {
            opcua: self.clone(),
        };
        serde_json::to_vec(&data).expect("texts, written to memory")
    }

    /// Reads the client data of a verdict. `None` for a request of another client.
    pub fn from_client_data(data: &[u8]) -> Option<Self> {
        let data = serde_json::from_slice::<ClientData>(data).ok()?;
        Some(data.opcua)
    }
}

/// The id of a result: `BOX/RUN/SEQUENCE`. The run of the daemon is a part of the verdict, so that the id stays the same when
/// the journal is replaced or restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultName {
    /// The run of the daemon.
    pub run_id: String,
    /// The sequence in the journal.
    pub sequence: u64,
}

impl ResultName {
    /// Reads the id of a result of this box. `None` if it is not one of a verdict in the journal.
    pub fn parse(text: &str, box_name: &str) -> Option<Self> {
        let rest = text.strip_prefix(box_name)?.strip_prefix('/')?;
        let (run_id, sequence) = rest.rsplit_once('/')?;
        let canonical = sequence.parse().ok().filter(|number: &u64| *number > 0)?;
        (canonical.to_string() == sequence && !run_id.is_empty()).then(|| Self {
            run_id: run_id.to_owned(),
            sequence: canonical,
        })
    }

    /// Whether the verdict is the one that is named.
    pub fn is_of(&self, verdict: &Verdict) -> bool {
        verdict.sequence == self.sequence && verdict.run_id == self.run_id
    }
}

/// Returns the id of the result of a verdict. One that is not in the journal is identified by its camera or group and
/// the time of its capture.
pub fn result_id(box_name: &str, verdict: &Verdict) -> String {
    let run = &verdict.run_id;
    if verdict.sequence > 0 {
        return format!("{box_name}/{run}/{}", verdict.sequence);
    }
    let place = if verdict.camera_id.is_empty() {
        format!("group:{}", verdict.group_id)
    } else {
        verdict.camera_id.clone()
    };
    let moment = verdict.capture_monotonic.unwrap_or_default();
    let nanos = moment.seconds.saturating_mul(1_000_000_000) + i64::from(moment.nanos);
    format!(
        "{box_name}/{run}/unjournalled-{place}-{}-{nanos}",
        verdict.frame_id
    )
}

/// Returns the decision of a result. A PASS that is unconfirmed is a FAULT: the daemon was killed before it knew that the
/// verdict was published like this, and a client may have received it as a FAULT.
pub fn decision_of(verdict: &Verdict) -> Decision {
    match verdict.decision() {
        Decision::Pass if verdict.unconfirmed => Decision::Fault,
        decision => decision,
    }
}

/// Returns `ResultState` of a verdict: failed if the part was not judged, also if `on_deadline` or `missing_view` made it a REJECT.
pub fn state_of(verdict: &Verdict) -> i32 {
    let judged = matches!(
        decision_of(verdict),
        Decision::Pass | Decision::Reject | Decision::Review
    );
    if judged && verdict.fault.is_none() {
        result_state::COMPLETED
    } else {
        result_state::FAILED
    }
}

/// Returns the internal id of a recipe.
pub fn internal_recipe_id(id: &str, version: &str, sha256: &str) -> RecipeIdInternal {
    RecipeIdInternal {
        id: id.into(),
        version: (!version.is_empty()).then(|| version.into()),
        hash: hash(sha256),
        hash_algorithm: hash(sha256).map(|_| HASH_ALGORITHM.into()),
        description: None,
    }
}

/// Returns the id of a configuration, from its hash.
pub fn configuration_id(sha256: &str) -> ConfigurationId {
    ConfigurationId {
        id: sha256.into(),
        version: None,
        hash: hash(sha256),
        hash_algorithm: hash(sha256).map(|_| HASH_ALGORITHM.into()),
        description: None,
    }
}

/// Reads a hash in hexadecimal digits.
fn hash(digits: &str) -> Option<ByteString> {
    let pairs = digits.as_bytes().chunks_exact(2);
    if digits.is_empty() || !pairs.remainder().is_empty() {
        return None;
    }
    let bytes = pairs.map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    bytes.collect::<Option<Vec<u8>>>().map(ByteString::from)
}

/// Returns the hash in hexadecimal digits.
pub fn hash_digits(hash: &ByteString) -> String {
    let bytes = hash.value.as_deref().unwrap_or_default();
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a text does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// Returns the result of a verdict. `job_id` is that of a continuous job; a single job is named by the verdict itself.
pub fn result(box_name: &str, verdict: &Verdict, job_id: Option<&str>) -> InspectionResult {
    let data = JobData::from_client_data(&verdict.client_data).unwrap_or_default();
    let job = job_id.unwrap_or(&data.job);
    let none = RecipeTag::default();
    let recipe = verdict.recipe.as_ref().unwrap_or(&none);
    InspectionResult {
        result_id: ResultId {
            id: result_id(box_name, verdict).into(),
        },
        has_transferable_data_on_file: Some(false),
        is_partial: false,
        is_simulated: Some(verdict.simulated),
        result_state: state_of(verdict),
        meas_id: (!data.meas.is_empty()).then(|| MeasId {
            id: data.meas.as_str().into(),
            description: None,
        }),
        part_id: (!verdict.part_id.is_empty()).then(|| PartId {
            id: verdict.part_id.as_str().into(),
            description: None,
        }),
        external_recipe_id: (!recipe.id.is_empty()).then(|| RecipeIdExternal {
            id: recipe.id.as_str().into(),
            ..RecipeIdExternal::default()
        }),
        internal_recipe_id: internal_recipe_id(&recipe.id, &recipe.version, &recipe.sha256),
        product_id: None,
        external_configuration_id: None,
        internal_configuration_id: configuration_id(&verdict.config_hash),
        job_id: JobId { id: job.into() },
        creation_time: date_time(verdict.record_time.as_ref()),
        processing_times: Some(times(verdict)),
        result_content: Some(Some(
            content(verdict).into_iter().map(Variant::from).collect(),
        )),
    }
}

/// Returns the content of a result: key-value pairs.
pub fn content(verdict: &Verdict) -> Vec<ExtensionObject> {
    let decision = decision_of(verdict);
    let mut pairs = vec![pair("Decision", decision_name(decision))];
    if let Some(score) = &verdict.score {
        pairs.push(pair("Score", f64::from(score.value)));
        pairs.push(pair("Threshold", f64::from(score.threshold)));
        if let Some(from) = score.review_from {
            pairs.push(pair("ReviewFrom", f64::from(from)));
        }
        pairs.push(pair("AnomalyKind", kind_name(score.dominant())));
        pairs.push(pair("DecidedBy", score.decided_by.as_str()));
    }
    if let Some(fault) = &verdict.fault {
        pairs.push(pair("FaultReason", fault_name(fault.reason())));
        pairs.push(pair("FaultMessage", fault.message.as_str()));
    } else if decision != verdict.decision() {
        pairs.push(pair("FaultReason", UNCONFIRMED));
        pairs.push(pair("FaultMessage", UNCONFIRMED_MESSAGE));
    }
    let regions = &verdict.regions;
    let boxes = regions.iter().flat_map(|region| {
        let found = region.r#box.unwrap_or_default();
        [found.left, found.top, found.width, found.height].map(f64::from)
    });
    let texts = |text: fn(&inspectd_client::proto::Region) -> String| {
        regions.iter().map(text).collect::<Vec<String>>()
    };
    pairs.push(pair("RegionBoxes", boxes.collect::<Vec<f64>>()));
    let areas = regions.iter().map(|it| f64::from(it.area));
    pairs.push(pair("RegionAreas", areas.collect::<Vec<f64>>()));
    let peaks = regions.iter().map(|it| f64::from(it.peak));
    pairs.push(pair("RegionPeaks", peaks.collect::<Vec<f64>>()));
    pairs.push(pair(
        "RegionKinds",
        texts(|it| kind_name(it.kind()).to_owned()),
    ));
    pairs.push(pair("RegionNames", texts(|it| it.region.clone())));
    if !verdict.views.is_empty() {
        let views = &verdict.views;
        let cameras: Vec<String> = views.iter().map(|view| view.camera_id.clone()).collect();
        let decisions = views
            .iter()
            .map(|view| decision_name(view.decision()).to_owned());
        pairs.push(pair("ViewCameras", cameras));
        pairs.push(pair("ViewDecisions", decisions.collect::<Vec<String>>()));
    }
    let model = verdict.model.clone().unwrap_or_default();
    pairs.push(pair("Model", format!("{} {}", model.name, model.version)));
    pairs
}

fn pair(key: &str, value: impl Into<Variant>) -> ExtensionObject {
    ExtensionObject::from_message(KeyValuePair {
        key: QualifiedName::new(0, key),
        value: value.into(),
    })
}

/// The name of a decision, as in the documents.
pub fn decision_name(decision: Decision) -> &'static str {
    match decision {
        Decision::Pass => "PASS",
        Decision::Reject => "REJECT",
        Decision::Review => "REVIEW",
        // A decision of a later version is not a PASS.
        Decision::Fault | Decision::Unspecified => "FAULT",
    }
}

fn kind_name(kind: AnomalyKind) -> &'static str {
    match kind {
        AnomalyKind::Structural => "structural",
        AnomalyKind::Logical => "logical",
        AnomalyKind::Unspecified => "",
    }
}

fn fault_name(reason: FaultReason) -> String {
    let name = reason.as_str_name();
    name.strip_prefix("FAULT_REASON_")
        .unwrap_or(name)
        .to_lowercase()
}

fn times(verdict: &Verdict) -> ProcessingTimes {
    let total = verdict.timings.as_ref().and_then(|timings| timings.total);
    let total = total.unwrap_or_default();
    let milliseconds = total.seconds as f64 * 1e3 + f64::from(total.nanos) / 1e6;
    let start = verdict.capture_time.unwrap_or_default();
    let nanos = i64::from(start.nanos) + i64::from(total.nanos);
    let end = Timestamp {
        seconds: start.seconds + total.seconds + nanos / 1_000_000_000,
        nanos: (nanos % 1_000_000_000) as i32,
    };
    ProcessingTimes {
        start_time: date_time(Some(&start)),
        end_time: date_time(Some(&end)),
        acquisition_duration: None,
        processing_duration: Some(milliseconds),
    }
}

/// Seconds from the epoch of OPC UA, 1601, to that of Unix, 1970.
const EPOCH_OFFSET_S: i64 = 11_644_473_600;
/// The ticks of OPC UA, 100 ns, of a second.
const TICKS_PER_SECOND: i64 = 10_000_000;

/// Returns a time as OPC UA writes it; null if it is not set.
pub fn date_time(time: Option<&Timestamp>) -> DateTime {
    let Some(time) = time else {
        return DateTime::null();
    };
    let seconds = time.seconds.saturating_add(EPOCH_OFFSET_S);
    let ticks = seconds.saturating_mul(TICKS_PER_SECOND);
    DateTime::from(ticks.saturating_add(i64::from(time.nanos) / 100))
}

#[cfg(test)]
mod tests;
