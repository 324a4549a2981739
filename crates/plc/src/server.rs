//! The Modbus TCP server: connections, and requests of PLCs as calls of stations. Only this file and `live.rs` name
//! `tokio-modbus`.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use tracing::{debug, info, warn};

use crate::config::Modbus;
use crate::station::{BitTable, Refusal, Station, Table};
use crate::transport::Checked;

/// The stations by unit id.
pub type Stations = Arc<BTreeMap<u8, Arc<Station>>>;

/// The pause after an error of the listener, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The server of all stations.
#[derive(Debug)]
pub struct ModbusServer {
    stations: Stations,
    settings: Modbus,
    free: Arc<Semaphore>,
    next: AtomicU64,
}

impl ModbusServer {
    /// Returns a server of these stations.
    pub fn new(stations: Stations, settings: Modbus) -> Self {
        let free = Arc::new(Semaphore::new(settings.connection_limit));
        Self {
            stations,
            settings,
            free,
            next: AtomicU64::new(0),
        }
    }

    /// Accepts connections until the future is dropped, which closes them.
    pub async fn serve(&self, listener: TcpListener) {
        let server = Server::new(listener);
        let connected = |stream, peer| ready(Ok(self.connect(stream, peer)));
        loop {
            // The listener of the library ends with the first error, and its connections with it.
            let ended = server.serve(&connected, |error| debug!(%error, "connection ended"));
            if let Err(error) = ended.await {
                warn!(%error, "connections cannot be accepted");
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    /// Accepts a connection, or closes it.
    fn connect(&self, stream: TcpStream, peer: SocketAddr) -> Option<Accepted> {
        let own = stream.local_addr().map(|address| address.ip()).ok();
        if !is_allowed(&self.settings, peer.ip(), own) {
            warn!(%peer, "connection refused: its address is not in modbus.allowed");
            return None;
        }
        let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() else {
            let limit = self.settings.connection_limit;
            warn!(%peer, limit, "connection refused: modbus.connection_limit are open");
            return None;
        };
        // Answers are small, and a PLC waits for each of them.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "connection ended before it began");
            return None;
        }
        info!(%peer, "connection opened");
        let connection = Connection {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            peer,
            stations: Arc::clone(&self.stations),
            _permit: permit,
        };
        let transport = Checked::new(stream, self.settings.idle_timeout);
        Some((connection, transport))
    }
}

type Accepted = (Connection, Checked<TcpStream>);

/// Whether an address may connect. `own` is the address of this machine that it connected to: programs of this machine,
/// such as `inspectd-plc registers`, may connect too.
fn is_allowed(settings: &Modbus, address: IpAddr, own: Option<IpAddr>) -> bool {
    let address = address.to_canonical();
    let is_own = own.is_some_and(|own| own.to_canonical() == address);
    let mut allowed = settings.allowed.iter();
    address.is_loopback() || is_own || allowed.any(|network| network.contains(&address))
}

/// A connection of a PLC. Its end is reported to the stations.
#[derive(Debug)]
struct Connection {
    id: u64,
    peer: SocketAddr,
    stations: Stations,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Connection {
    fn drop(&mut self) {
        info!(peer = %self.peer, "connection closed");
        let now = Instant::now();
        for station in self.stations.values() {
            station.closed(self.id, now);
        }
    }
}

impl Service for Connection {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: SlaveRequest<'static>) -> Self::Future {
        let SlaveRequest { slave, request } = request;
        let Some(station) = self.stations.get(&slave) else {
            debug!(peer = %self.peer, unit = slave, "no station has this unit id");
            return ready(Err(ExceptionCode::GatewayTargetDevice));
        };
        let answer = answer(station, self.id, request, Instant::now());
        if let Err(exception) = &answer {
            debug!(peer = %self.peer, station = station.id, ?exception, "request refused");
        }
        ready(answer)
    }
}

/// Answers a request to a station.
fn answer(
    station: &Station,
    connection: u64,
    request: Request<'static>,
    now: Instant,
) -> Result<Response, ExceptionCode> {
    let count = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
    let answered = match request {
        Request::ReadCoils(address, count) => station
            .read_bits(BitTable::Coils, address, count)
            .map(Response::ReadCoils),
        Request::ReadDiscreteInputs(address, count) => station
            .read_bits(BitTable::DiscreteInputs, address, count)
            .map(Response::ReadDiscreteInputs),
        Request::ReadHoldingRegisters(address, count) => station
            .read(Table::Holding, address, count)
            .map(Response::ReadHoldingRegisters),
        Request::ReadInputRegisters(address, count) => station
            .read(Table::Input, address, count)
            .map(Response::ReadInputRegisters),
        Request::WriteSingleCoil(address, coil) => station
            .write_bits(connection, address, &[coil], now)
            .map(|()| Response::WriteSingleCoil(address, coil)),
        Request::WriteMultipleCoils(address, coils) => station
            .write_bits(connection, address, &coils, now)
            .map(|()| Response::WriteMultipleCoils(address, count(coils.len()))),
        Request::WriteSingleRegister(address, word) => station
            .write(connection, address, &[word], now)
            .map(|()| Response::WriteSingleRegister(address, word)),
        Request::WriteMultipleRegisters(address, words) => station
            .write(connection, address, &words, now)
            .map(|()| Response::WriteMultipleRegisters(address, count(words.len()))),
        Request::MaskWriteRegister(address, and_mask, or_mask) => station
            .write_masked(connection, address, [and_mask, or_mask], now)
            .map(|()| Response::MaskWriteRegister(address, and_mask, or_mask)),
        Request::ReadWriteMultipleRegisters(read, count, write, words) => station
            // A request whose read is not allowed writes nothing.
            .read(Table::Holding, read, count)
            .and_then(|_| station.write(connection, write, &words, now))
            .and_then(|()| station.read(Table::Holding, read, count))
            .map(Response::ReadWriteMultipleRegisters),
        Request::ReportServerId | Request::ReadDeviceIdentification(..) | Request::Custom(..) => {
            return Err(ExceptionCode::IllegalFunction);
        }
    };
    answered.map_err(|refusal| match refusal {
        Refusal::Address => ExceptionCode::IllegalDataAddress,
        Refusal::Value => ExceptionCode::IllegalDataValue,
        Refusal::Busy(_) => ExceptionCode::ServerDeviceBusy,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_addresses_and_this_machine_may_connect() {
        let settings = Modbus {
            listen: ([192, 168, 10, 1], 1502).into(),
            allowed: vec!["192.168.10.32/28".parse().expect("a network")],
            connection_limit: 1,
            idle_timeout: Duration::from_secs(1),
        };
        let check = |peer: &str, own: Option<&str>, expected| {
            let address = |text: &str| text.parse::<IpAddr>().expect("an address");
            let allowed = is_allowed(&settings, address(peer), own.map(address));
            assert_eq!(allowed, expected, "{peer} {own:?}");
        };
        check("192.168.10.33", Some("192.168.10.1"), true);
        check("192.168.10.5", Some("192.168.10.1"), false);
        check("127.0.0.1", Some("127.0.0.1"), true);
        // `inspectd-plc registers` connects to `listen`, and gets the same address.
        check("192.168.10.1", Some("192.168.10.1"), true);
        check("::ffff:192.168.10.1", Some("192.168.10.1"), true);
        check("192.168.10.1", Some("192.168.11.1"), false);
        check("192.168.10.1", None, false);
    }
}
