//! Suggests thresholds from scores of good parts, and judges stored verdicts again by another recipe. No
//! IO: the caller reads the journal and the disk store.

mod interval;
pub mod replay;
pub mod suggest;
