//! `inspectd-plc registers`: reads the registers of a running server, as a PLC does, and prints them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use tokio_modbus::client::tcp;
use tokio_modbus::prelude::{Reader, Slave};

use crate::config::{Settings, StationSettings};
use crate::failure::Failure;
use crate::map::{self, Kind, Named, Register};
use crate::registers::{Block, Encoding};

/// The longest time for the answers.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Prints the registers of a station; `id` may be left out if there is only one.
///
/// # Errors
/// If the station does not exist, or the server does not answer.
pub async fn registers(settings: &Settings, id: Option<&str>) -> Result<(), Failure> {
    let (id, station) = station(settings, id)?;
    let mut address = settings.modbus.listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let blocks = tokio::time::timeout(TIMEOUT, read(address, station)).await;
    let blocks = blocks.map_err(|_| "no answer in time".to_owned());
    let (plc, server) = blocks
        .and_then(|read| read)
        .map_err(|reason| Failure::NoServer { address, reason })?;
    println!("station {id}, unit {}, at {address}\n", station.unit);
    println!("written by the PLC: holding registers");
    println!("{}\n", table(map::PLC_REGISTERS, &plc));
    println!(
        "written by the server: input registers, and holding registers + {}",
        map::MIRROR
    );
    println!("{}", table(map::SERVER_REGISTERS, &server));
    Ok(())
}

fn station<'a>(
    settings: &'a Settings,
    id: Option<&'a str>,
) -> Result<(&'a str, &'a StationSettings), Failure> {
    let stations = &settings.stations;
    let found = match id {
        Some(id) => stations.get_key_value(id),
        None if stations.len() == 1 => stations.first_key_value(),
        None => None,
    };
    let known: Vec<&str> = stations.keys().map(String::as_str).collect();
    let fault = || format!("registers: name one of the stations {}", known.join(", "));
    let found = found.map(|(id, station)| (id.as_str(), station));
    found.ok_or_else(|| Failure::Usage(fault()))
}

async fn read(address: SocketAddr, station: &StationSettings) -> Result<(Block, Block), String> {
    let connected = tcp::connect_slave(address, Slave(station.unit)).await;
    let mut context = connected.map_err(|error| error.to_string())?;
    let plc = context.read_holding_registers(0, map::PLC_WORDS).await;
    let plc = block(plc, map::PLC_WORDS, station.encoding)?;
    let server = context.read_input_registers(0, map::SERVER_WORDS).await;
    let server = block(server, map::SERVER_WORDS, station.encoding)?;
    Ok((plc, server))
}

fn block<E: std::fmt::Display, X: std::fmt::Display>(
    answer: Result<Result<Vec<u16>, X>, E>,
    words: u16,
    encoding: Encoding,
) -> Result<Block, String> {
    let answer = answer.map_err(|error| error.to_string())?;
    let answer = answer.map_err(|exception| exception.to_string())?;
    let mut block = Block::new(words, encoding);
    if answer.len() == usize::from(words) && block.write(0, &answer) {
        return Ok(block);
    }
    Err(format!("{} registers instead of {words}", answer.len()))
}

fn table(registers: &[Register], block: &Block) -> String {
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_header(["address", "name", "type", "value"]);
    for register in registers {
        table.add_row([
            register.address.to_string(),
            register.name.to_owned(),
            register.kind.name().to_owned(),
            value(register, block),
        ]);
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// The value of a register, with its meaning if it has names.
fn value(register: &Register, block: &Block) -> String {
    match register.kind {
        Kind::Bits => bits(register, block.u16(register)),
        Kind::U16 => named(register, block.u16(register)),
        Kind::U32 => block.u32(register).to_string(),
        Kind::U64 => block.u64(register).to_string(),
        Kind::F32 => format!("{:?}", block.f32(register)),
        Kind::Text => {
            let text = block.text(register);
            let length = text
                .iter()
                .rposition(|&byte| byte != 0)
                .map_or(0, |last| last + 1);
            format!("{:?}", String::from_utf8_lossy(&text[..length]))
        }
    }
}

fn bits(register: &Register, value: u16) -> String {
    let names = if *register == map::CONTROL {
        map::CONTROL_BITS
    } else {
        map::STATUS_BITS
    };
    let on = names.iter().filter(|bit| value & bit.mask() != 0);
    let on: Vec<&str> = on.map(|bit| bit.name).collect();
    format!("16#{value:04X} {}", on.join(" "))
        .trim_end()
        .to_owned()
}

fn named(register: &Register, value: u16) -> String {
    let names: &[Named] = match *register {
        map::DECISION => map::DECISIONS,
        map::RECIPE_STATE => map::RECIPE_STATES,
        map::STATION_STATE => map::STATION_STATES,
        map::FAULT_CODE | map::STATION_FAULT => map::SERVER_FAULTS,
        _ => &[],
    };
    let name = names.iter().find(|name| name.number == value);
    name.map_or_else(
        || value.to_string(),
        |name| format!("{value} {}", name.name),
    )
}
