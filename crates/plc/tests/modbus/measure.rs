//! A PLC and another client trigger inspections of one camera in turn. With more parts it is a measurement: the time
//! from trigger to result over Modbus, compared with the call of the daemon.
//!
//! ```sh
//! INSPECTD_PLC_PARTS=200 cargo test --release -p inspectd-plc --test modbus -- --nocapture plc_and_another_client
//! ```

use std::time::{Duration, Instant};

use inspectd_client::{Client, Trigger, TriggerTarget};
use inspectd_test_support::require;
use tokio_modbus::client::{Context, tcp};
use tokio_modbus::prelude::{Reader, Slave, Writer};

use crate::harness::{PATIENCE, Plant, block_on};

/// Parts of each, unless `INSPECTD_PLC_PARTS` is set.
const PARTS: u16 = 5;
const RESULT_VALID: u16 = 1 << 2;
const READY: u16 = 1;

async fn status(context: &mut Context) -> u16 {
    let answer = context.read_input_registers(0, 50).await;
    answer.expect("an answer").expect("registers")[1]
}

async fn write(context: &mut Context, control: u16, command: u16) {
    let mut words = vec![0; 22];
    words[..3].copy_from_slice(&[control, command, command]);
    words[5] = command;
    let answer = context.write_multiple_registers(0, &words).await;
    answer.expect("an answer").expect("accepted");
}

/// One part: the time from the write of `TRIGGER` until a read shows `RESULT_VALID`.
async fn handshake(context: &mut Context, command: u16) -> Duration {
    while status(context).await & READY == 0 {
        write(context, 0, command - 1).await;
    }
    let start = Instant::now();
    write(context, 1, command).await;
    while status(context).await & RESULT_VALID == 0 {}
    let elapsed = start.elapsed();
    write(context, 3, command).await;
    write(context, 0, command).await;
    elapsed
}

async fn call(client: &Client, number: u16) -> Duration {
    let trigger = Trigger {
        part_id: format!("call {number}"),
        idempotency_key: format!("call-{number}"),
        wait: Some(PATIENCE),
        ..Trigger::new(TriggerTarget::Camera("top".to_owned()))
    };
    let start = Instant::now();
    let answer = client.trigger(&trigger).await.expect("accepted");
    assert!(answer.verdict.is_some());
    start.elapsed()
}

fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort();
    times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3
}

#[test]
fn plc_and_another_client_have_their_parts_inspected_in_turn() {
    let parts = std::env::var("INSPECTD_PLC_PARTS").map_or(PARTS, |text| {
        text.parse().expect("INSPECTD_PLC_PARTS: a whole number")
    });
    let plant = require!(Plant::start());
    let address = format!("127.0.0.1:{}", plant.port);
    let (mut calls, mut handshakes) = block_on(async {
        let client = plant.client();
        let address = address.parse().expect("an address");
        let context = tcp::connect_slave(address, Slave(1)).await;
        let mut context = context.expect("a connection");
        let (mut calls, mut handshakes) = (Vec::new(), Vec::new());
        for number in 1..=parts {
            calls.push(call(&client, number).await);
            handshakes.push(handshake(&mut context, number).await);
        }
        (calls, handshakes)
    });
    let mut journal = plant.journal("top");
    journal.retain(|verdict| !verdict.trigger_id.is_empty());
    assert_eq!(journal.len(), 2 * usize::from(parts));
    for percent in [50, 95] {
        let (call, handshake) = (
            percentile(&mut calls, percent),
            percentile(&mut handshakes, percent),
        );
        let ratio = handshake / call;
        println!("p{percent}: call {call:.2} ms, handshake {handshake:.2} ms, ratio {ratio:.2}");
    }
}
