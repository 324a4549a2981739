//! What a plant relies on: a verdict that was seen is there for good, and what cannot be kept is said.

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
