//! The program against a real daemon with rendered parts: an independent client (asyncua), and hostile clients.

mod harness;
mod hostile;
mod journal;
mod raw;
mod walk;
