//! Durability: a delivered verdict is never lost, and what cannot be kept is reported.

mod clock;
mod damage;
mod deadlines;
mod delivery;
mod disk;
mod evidence;
mod groups;
mod journal_site;
mod kills;
mod pages;
mod requests;
mod slow;
mod torn;
mod torture;
mod witness;
mod write_ahead_log;
