//! What the server writes to the registers.

use std::time::Duration;

use super::result::{Decision, Defect, Score, ShownResult};
use crate::map;
use crate::registers::{Block, Encoding, PartNumber};

/// The registers of the server, as values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// Bits of [`map::STATUS_BITS`].
    pub status: u16,
    /// The heartbeat.
    pub heartbeat: u16,
    /// The result. `None`: none is valid.
    pub result: Option<ShownResult>,
    /// The part that is being inspected, with its command sequence number; of a result, those of the result.
    pub part: PartNumber,
    /// The command sequence number of the part.
    pub command: u16,
    /// Results since the start.
    pub results: u32,
    /// Lost triggers since the start.
    pub lost: u16,
    /// The number of the active recipe.
    pub active_recipe: u16,
    /// A value of [`map::RECIPE_STATES`].
    pub recipe_state: u16,
    /// A value of [`map::STATION_STATES`].
    pub station_state: u16,
    /// Why the station cannot inspect.
    pub station_fault: u16,
}

impl Outputs {
    /// Returns whether a bit of the status is on.
    #[cfg(test)]
    pub fn is(&self, bit: map::Named) -> bool {
        self.status & bit.mask() != 0
    }

    /// Returns the registers.
    pub fn block(&self, encoding: Encoding) -> Block {
        let mut block = Block::new(map::SERVER_WORDS, encoding);
        block.put_u16(&map::MAP_VERSION, map::VERSION);
        block.put_u16(&map::STATUS, self.status);
        block.put_u16(&map::HEARTBEAT_OUT, self.heartbeat);
        block.put_u16(&map::COMMAND_OUT, self.command);
        block.put_u32(&map::RESULT_COUNTER, self.results);
        block.put_u16(&map::ACTIVE_RECIPE, self.active_recipe);
        block.put_u16(&map::RECIPE_STATE, self.recipe_state);
        block.put_u16(&map::LOST_COUNTER, self.lost);
        block.put_u32(&map::PART_NUMBER_OUT, self.part.number);
        block.put_text(&map::PART_TEXT_OUT, &self.part.text);
        block.put_u16(&map::STATION_STATE, self.station_state);
        block.put_u16(&map::STATION_FAULT, self.station_fault);
        put_result(&mut block, self.result.as_ref());
        block
    }
}

fn put_result(block: &mut Block, result: Option<&ShownResult>) {
    let decision = result.map_or(map::DECISION_NONE.number, |result| result.decision.number());
    block.put_u16(&map::DECISION, decision);
    block.put_u16(
        &map::FAULT_CODE,
        result.map_or(0, |result| result.fault_code),
    );
    let latency = result.map_or(Duration::ZERO, |result| result.latency);
    block.put_u16(&map::LATENCY, tenths(latency));
    let judged = result.and_then(|result| result.judged.as_ref());
    let score = judged.and_then(|judged| judged.score);
    block.put_f32(&map::SCORE, score.map_or(f32::MAX, |score| score.value));
    block.put_f32(&map::THRESHOLD, score.map_or(0.0, |score| score.threshold));
    block.put_u16(
        &map::SCORE_PER_MILLE,
        score.map_or(u16::MAX, Score::per_mille),
    );
    let time = judged.map_or(Duration::ZERO, |judged| judged.inspection_time);
    block.put_u16(&map::INSPECTION_TIME, tenths(time));
    block.put_u16(
        &map::REGION_COUNT,
        judged.map_or(0, |judged| judged.defects),
    );
    block.put_u64(
        &map::VERDICT_SEQUENCE,
        judged.map_or(0, |judged| judged.sequence),
    );
    put_defect(block, judged.map(|judged| judged.worst).unwrap_or_default());
}

fn put_defect(block: &mut Block, defect: Defect) {
    let sides = [
        map::WORST_LEFT,
        map::WORST_TOP,
        map::WORST_WIDTH,
        map::WORST_HEIGHT,
    ];
    for (register, side) in sides.iter().zip(defect.place) {
        block.put_u16(register, (side * 1000.0).round() as u16);
    }
    block.put_f32(&map::WORST_PEAK, defect.peak);
    block.put_u16(&map::WORST_KIND, defect.kind);
}

/// A duration in 0.1 ms, at most 65535.
fn tenths(duration: Duration) -> u16 {
    u16::try_from(duration.as_micros() / 100).unwrap_or(u16::MAX)
}

/// Returns the bits of a valid result; `fault` is whether the station cannot inspect.
pub fn result_bits(result: &ShownResult, fault: bool) -> u16 {
    let decision = match result.decision {
        Decision::Pass if !fault => map::OK.mask(),
        Decision::Pass => 0,
        Decision::Reject => map::NOT_OK.mask(),
        Decision::Review => map::REVIEW.mask(),
        Decision::Fault => map::FAULT.mask(),
    };
    map::RESULT_VALID.mask() | decision
}
