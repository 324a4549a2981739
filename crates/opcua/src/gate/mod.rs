//! The gate in front of the OPC UA library: it accepts the connections of clients, limits them, checks the headers of
//! their messages, and passes on the allowed ones.
//!
//! The library decodes a message before it knows who sent it, and has no limit for connections, for the size of a
//! message before the handshake, or for requests that wait. So the gate admits only clients whose certificate is
//! trusted; others can only request the endpoints of the server.

mod frame;
mod screen;
mod serve;

pub use self::screen::Rules;
pub use self::serve::Gate;
