//! Clients of the edge agent of Amazon Lookout for Vision.

mod agent;
mod images;
mod models;
