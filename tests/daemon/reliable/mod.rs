//! Durability: a delivered verdict is never lost, and what cannot be kept is reported.

mod clock;
mod deadlines;
mod delivery;
mod disk;
mod evidence;
mod groups;
mod kills;
mod pages;
mod plant;
mod requests;
mod slow;
mod torn;
