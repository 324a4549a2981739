//! The gate in front of the OPC UA library: it accepts the connections of clients, bounds them, looks at the headers of their
//! messages, and passes on what is allowed.
//!
//! The library decodes a message before it knows who sent it, and has no limit for connections, for the size of a message before
//! the handshake, or for requests that wait. So the gate admits only clients whose certificate is trusted; others can ask for
//! the endpoints of the server, and nothing else.

mod frame;
mod screen;
mod serve;

pub use self::screen::Rules;
pub use self::serve::Gate;
