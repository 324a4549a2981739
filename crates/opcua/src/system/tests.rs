//! A system without clients, and with a daemon that does not answer.

use opcua::server::Server;
use opcua::types::StatusCode;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{ContinuousRecipes, System};
use crate::call::{Answer, Call, channel};
use crate::config::Settings;
use crate::machine::State;
use crate::method::Method;
use crate::password::PasswordHash;
use crate::publisher::Publisher;
use crate::request::{Change, Request};
use crate::server;

/// A system, and what it needs to exist.
struct Bench {
    system: System,
    _server: Server,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("opcua.toml").display().to_string();
        let text = format!(
            "[server]\nsecurity = [\"None\"]\n[pki]\nfolder = \"pki\"\n[daemon]\nserver = \"http://127.0.0.1:1\"\n\
             [users.mes]\nrole = \"viewer\"\ncertificate = \"{}\"\n[systems.top]\ncamera = \"top\"\n",
            "ab".repeat(20)
        );
        let settings = Settings::parse(&file, &text).unwrap_or_else(|error| panic!("{error}"));
        let unknown = PasswordHash::create("unknown").expect("a hash");
        let (caller, _calls) = channel();
        let callers = vec![("top".to_owned(), caller)];
        let built = server::build(&settings, 4840, unknown, callers);
        let (server, handle) = built.expect("valid settings");
        let client = settings.daemon.client().expect("no credentials");
        let system = System::new(
            "top",
            settings.systems["top"].clone(),
            "box-7",
            client,
            Publisher::new(handle).expect("nodes"),
            ContinuousRecipes::default(),
        );
        Self {
            system,
            _server: server,
            _folder: folder,
        }
    }

    fn call(&mut self, method: Method, change: Change) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        self.system.call(Call {
            request: Request::Change(change),
            method,
            user: "mes".to_owned(),
            reply,
        });
        answer
    }
}

/// Runs a test in a runtime, on a thread with the stack that the library needs to be built.
fn on_a_large_stack(test: fn()) {
    let thread = std::thread::Builder::new().stack_size(16 << 20);
    let thread = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let _entered = runtime.enter();
        test();
    });
    thread.expect("a thread").join().expect("no panic");
}

#[test]
fn mode_is_not_selected_while_another_method_waits_for_the_daemon() {
    on_a_large_stack(select_mode_while_another_method_waits);
}

fn select_mode_while_another_method_waits() {
    let mut bench = Bench::new();
    // As after RemoveRecipe, which every state allows.
    bench.system.awaited = Some(7);
    let mut answer = bench.call(Method::SelectModeAutomatic, Change::SelectModeAutomatic);
    let busy = Answer::Bad(StatusCode::BadTooManyOperations);
    assert_eq!(answer.try_recv(), Ok(busy));
    assert_eq!(bench.system.awaited, Some(7));
    assert_eq!(bench.system.machine.state(), State::Preoperational);
    bench.system.awaited = None;
    let _answer = bench.call(Method::SelectModeAutomatic, Change::SelectModeAutomatic);
    assert_eq!(bench.system.machine.state(), State::Initialized);
}
