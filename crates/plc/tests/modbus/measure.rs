//! A measurement, not a test: the time from trigger to result over Modbus, compared with the call of the daemon.
//!
//! ```sh
//! cargo test --release -p inspectd-plc --test modbus -- --ignored --nocapture measure
//! ```

use std::time::{Duration, Instant};

use inspectd_client::{Client, Trigger, TriggerTarget};
use inspectd_test_support::require;
use tokio_modbus::client::{Context, tcp};
use tokio_modbus::prelude::{Reader, Slave, Writer};

use crate::harness::{PATIENCE, Plant, block_on};

const CYCLES: u16 = 200;
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
#[ignore = "a measurement"]
fn measure_the_handshake_relative_to_the_call() {
    let plant = require!(Plant::start());
    let address = format!("127.0.0.1:{}", plant.port);
    let (mut calls, mut handshakes) = block_on(async {
        let client = plant.client();
        let address = address.parse().expect("an address");
        let context = tcp::connect_slave(address, Slave(1)).await;
        let mut context = context.expect("a connection");
        let (mut calls, mut handshakes) = (Vec::new(), Vec::new());
        for number in 1..=CYCLES {
            calls.push(call(&client, number).await);
            handshakes.push(handshake(&mut context, number).await);
        }
        (calls, handshakes)
    });
    for percent in [50, 95] {
        let (call, handshake) = (
            percentile(&mut calls, percent),
            percentile(&mut handshakes, percent),
        );
        let ratio = handshake / call;
        println!("p{percent}: call {call:.2} ms, handshake {handshake:.2} ms, ratio {ratio:.2}");
    }
}
