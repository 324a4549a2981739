//! Suggests thresholds from scores of good parts, evaluates thresholds on stored verdicts, and judges these again by
//! another recipe. No IO: the caller reads the journal and the disk store.

pub mod evaluate;
mod interval;
pub mod replay;
pub mod suggest;
