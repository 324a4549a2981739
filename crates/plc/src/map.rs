//! The register map: one declaration from which the server, the tables of `docs/modbus.md` and the constants of the
//! Structured Text example come.
//!
//! Addresses are those of the protocol, from 0. A PLC that counts from 1, or writes `40001` for the first holding
//! register, adds 1 to them.

/// The version of the map, in the register `MAP_VERSION`. A map with other addresses or meanings has another version;
/// registers that are added at the end do not change it.
pub const VERSION: u16 = 1;

/// Where the registers of the server begin among the holding registers.
pub const MIRROR: u16 = 1000;

/// How a value is stored in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Single bits.
    Bits,
    /// An unsigned number of 16 bits.
    U16,
    /// An unsigned number of 32 bits, in the configured word order.
    U32,
    /// An unsigned number of 64 bits, in the configured word order.
    U64,
    /// A number of 32 bits (IEEE 754), in the configured word order.
    F32,
    /// 32 characters of ASCII, two in a register, in the configured order of bytes.
    Text,
}

impl Kind {
    /// Returns the number of registers.
    pub const fn words(self) -> u16 {
        match self {
            Self::Bits | Self::U16 => 1,
            Self::U32 | Self::F32 => 2,
            Self::U64 => 4,
            Self::Text => 16,
        }
    }

    /// Returns the name in the documents, which is that of IEC 61131-3.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bits => "WORD",
            Self::U16 => "UINT",
            Self::U32 => "UDINT",
            Self::U64 => "ULINT",
            Self::F32 => "REAL",
            Self::Text => "STRING[32]",
        }
    }
}

/// A value in the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// The name, as in the documents and in Structured Text.
    pub name: &'static str,
    /// The address of the first register.
    pub address: u16,
    /// How the value is stored.
    pub kind: Kind,
    /// What it means, for the documents.
    pub meaning: &'static str,
}

impl Register {
    const fn new(name: &'static str, address: u16, kind: Kind, meaning: &'static str) -> Self {
        Self {
            name,
            address,
            kind,
            meaning,
        }
    }

    /// Returns the address after the last register.
    pub const fn end(&self) -> u16 {
        self.address + self.kind.words()
    }
}

/// A name for a bit or for a value of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: &'static str,
    /// The number of the bit, or the value.
    pub number: u16,
    /// What it means, for the documents.
    pub meaning: &'static str,
}

impl Named {
    const fn new(name: &'static str, number: u16, meaning: &'static str) -> Self {
        Self {
            name,
            number,
            meaning,
        }
    }

    /// Returns the mask of the bit.
    pub const fn mask(&self) -> u16 {
        1 << self.number
    }
}

macro_rules! registers {
    ($(#[$list_doc:meta])* $list:ident: $($constant:ident $address:literal $kind:ident $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $constant: Register =
                Register::new(stringify!($constant), $address, Kind::$kind, $meaning);
        )*
        $(#[$list_doc])*
        pub const $list: &[Register] = &[$($constant),*];
    };
}

macro_rules! names {
    ($(#[$list_doc:meta])* $list:ident: $($constant:ident $number:literal $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $constant: Named = Named::new(stringify!($constant), $number, $meaning);
        )*
        $(#[$list_doc])*
        pub const $list: &[Named] = &[$($constant),*];
    };
}

registers! {
    /// What the PLC writes: holding registers.
    PLC_REGISTERS:
    CONTROL 0 Bits "Control bits of the PLC; also coils.";
    HEARTBEAT_IN 1 U16 "Heartbeat of the PLC: a number that changes at least twice within `heartbeat_timeout_ms`.";
    COMMAND 2 U16 "Command sequence number: another number for each part. 0: not used.";
    RECIPE_SELECT 3 U16 "Number of the recipe that the PLC wants, as in `recipes` of the station. 0: the recipe is not chosen by the PLC.";
    PART_NUMBER 4 U32 "Part number, if it is a number. Used if `PART_TEXT` is empty. 0: no number.";
    PART_TEXT 6 Text "Part number as text: printable ASCII, filled with zeros or spaces at the end.";
}

registers! {
    /// What the server writes: input registers, and holding registers from [`MIRROR`] on.
    SERVER_REGISTERS:
    MAP_VERSION 0 U16 "Version of this map.";
    STATUS 1 Bits "Status bits; also discrete inputs.";
    HEARTBEAT_OUT 2 U16 "Heartbeat of the server: goes up by 1 each `heartbeat_interval_ms`, while the station is served.";
    DECISION 3 U16 "The decision; 0 without a valid result.";
    FAULT_CODE 4 U16 "Why the result is FAULT; 0: it is not.";
    COMMAND_OUT 5 U16 "`COMMAND` of the part.";
    RESULT_COUNTER 6 U32 "Results shown since the start of the server.";
    SCORE 8 F32 "The score. Without a score, the largest number (3.4028235E38).";
    THRESHOLD 10 F32 "The threshold: scores above it are REJECT. 0 without a score.";
    SCORE_PER_MILLE 12 U16 "The score in thousandths of the threshold: above 1000 is REJECT. Without a score, and if larger: 65535.";
    LATENCY 13 U16 "Time from `TRIGGER` to `RESULT_VALID` in 0.1 ms; 65535: longer. 0 in mode `follow`.";
    INSPECTION_TIME 14 U16 "Time from the capture to the verdict in 0.1 ms; 65535: longer.";
    REGION_COUNT 15 U16 "Number of defects.";
    WORST_LEFT 16 U16 "Largest defect value: left side, in thousandths of the width of the frame.";
    WORST_TOP 17 U16 "Its upper side, in thousandths of the height of the frame.";
    WORST_WIDTH 18 U16 "Its width, in thousandths of the width of the frame.";
    WORST_HEIGHT 19 U16 "Its height, in thousandths of the height of the frame.";
    WORST_PEAK 20 F32 "Its largest value, on the scale of the score.";
    WORST_KIND 22 U16 "Its kind: 1 structural (scratch, dent), 2 logical (missing, extra, swapped); 0: no defect.";
    ACTIVE_RECIPE 23 U16 "Number of the active recipe; 0: none, or one that is not in `recipes` of the station.";
    RECIPE_STATE 24 U16 "What became of `RECIPE_SELECT`.";
    LOST_COUNTER 25 U16 "Lost triggers since the start of the server; in mode `follow` also verdicts that the daemon could not deliver.";
    PART_NUMBER_OUT 26 U32 "`PART_NUMBER` of the part.";
    VERDICT_SEQUENCE 28 U64 "Sequence of the verdict in the journal of the daemon; 0: none.";
    PART_TEXT_OUT 32 Text "`PART_TEXT` of the part.";
    STATION_STATE 48 U16 "State of the handshake.";
    STATION_FAULT 49 U16 "Why the station cannot inspect; 0: it can.";
}

names! {
    /// Bits of `CONTROL`.
    CONTROL_BITS:
    TRIGGER 0 "Inspect now. Stays on until `RESULT_VALID` was acknowledged.";
    ACKNOWLEDGE 1 "The result has been read.";
    RESET 2 "Ends an error and clears `TRIGGER_LOST`; also ends a running inspection.";
    ABORT 3 "Ends a running inspection or a result, without a result.";
}

names! {
    /// Bits of `STATUS`.
    STATUS_BITS:
    READY 0 "`TRIGGER` may be raised.";
    BUSY 1 "An inspection is running.";
    RESULT_VALID 2 "The registers of the result are those of one part.";
    OK 3 "The part is good: `RESULT_VALID`, the decision is PASS, and `FAULT` is off. The only bit that lets a part pass.";
    NOT_OK 4 "`RESULT_VALID`, and the decision is REJECT.";
    REVIEW 5 "`RESULT_VALID`, and the decision is REVIEW.";
    FAULT 6 "The part was not judged, the station has an error, or the daemon is away.";
    DAEMON_CONNECTED 7 "The daemon answers.";
    TRIGGER_LOST 8 "A trigger was not inspected, until `RESET`.";
    RECIPE_ERROR 9 "The recipe of `RECIPE_SELECT` is not active, and is not being activated.";
    STATION_ERROR 10 "The station has an error, and waits for `RESET`.";
}

names! {
    /// Values of `DECISION`.
    DECISIONS:
    DECISION_NONE 0 "No valid result.";
    DECISION_PASS 1 "PASS: the part is good.";
    DECISION_REJECT 2 "REJECT: the part is not good.";
    DECISION_REVIEW 3 "REVIEW: a person should look.";
    DECISION_FAULT 4 "FAULT: the part was not judged.";
}

names! {
    /// Values of `RECIPE_STATE`.
    RECIPE_STATES:
    RECIPE_NOT_SELECTED 0 "`RECIPE_SELECT` is 0: the active recipe of the daemon applies.";
    RECIPE_ACTIVE 1 "The selected recipe is active.";
    RECIPE_ACTIVATING 2 "It is being activated, or waits for the end of the present part.";
    RECIPE_UNKNOWN 3 "The number is not in `recipes` of the station.";
    RECIPE_FAILED 4 "The daemon could not activate it.";
    RECIPE_OTHER 5 "Somebody else has activated another recipe.";
}

names! {
    /// Values of `STATION_STATE`.
    STATION_STATES:
    STATE_START 0 "Waits for the first control word of the PLC after the start of the server.";
    STATE_IDLE 1 "Waits for `TRIGGER`, or in mode `follow` for a verdict.";
    STATE_BUSY 2 "Inspects.";
    STATE_RESULT 3 "Shows a result.";
    STATE_RELEASE 4 "Waits until all control bits are off.";
    STATE_ERROR 5 "Waits for `RESET`.";
}

names! {
    /// Values of `FAULT_CODE` and `STATION_FAULT` from 100 on. Smaller ones are those of `FaultReason` of the API.
    SERVER_FAULTS:
    FAULT_DEADLINE 100 "No verdict within `verdict_timeout_ms`.";
    FAULT_DAEMON_AWAY 101 "The daemon does not answer.";
    FAULT_REFUSED 102 "The daemon refused the trigger; the log has the reason.";
    FAULT_NO_ACKNOWLEDGE 103 "The PLC did not acknowledge within `acknowledge_timeout_ms`.";
    FAULT_PLC_AWAY 104 "The PLC went away during a part and did not return within `reconnect_ms`.";
    FAULT_DOUBLE_TRIGGER 105 "`TRIGGER` was raised for another part before the present one was acknowledged.";
    FAULT_PART_INVALID 106 "`PART_TEXT` is not printable ASCII.";
    FAULT_WRONG_PART 107 "The verdict is for another part.";
    FAULT_WRONG_RECIPE 108 "The part was judged by another recipe than the selected one.";
    FAULT_COMMAND_REPEATED 109 "`COMMAND` is that of the part before.";
    FAULT_STATE_FILE 110 "The state file cannot be written, so the trigger was not sent.";
    FAULT_OUTDATED 111 "Mode `follow`: the verdict is older than `outdated_after_ms`.";
    FAULT_PART_NOT_SHOWN 112 "Mode `follow`: the part id has more than 32 characters, or others than printable ASCII.";
    FAULT_UNKNOWN_DECISION 113 "The decision is not known to this version.";
    FAULT_UNCONFIRMED 114 "PASS that is `unconfirmed`: the daemon was killed before it knew that the verdict was published like this.";
}

/// The number of registers that the PLC writes.
pub const PLC_WORDS: u16 = PLC_REGISTERS[PLC_REGISTERS.len() - 1].end();

/// The number of registers that the server writes.
pub const SERVER_WORDS: u16 = SERVER_REGISTERS[SERVER_REGISTERS.len() - 1].end();

/// The number of coils.
pub const COILS: u16 = CONTROL_BITS.len() as u16;

/// The number of discrete inputs: all bits of `STATUS`.
pub const DISCRETE_INPUTS: u16 = 16;

/// The bits of `CONTROL` that have a meaning.
pub const CONTROL_MASK: u16 = (1 << COILS) - 1;

#[cfg(test)]
mod tests;
