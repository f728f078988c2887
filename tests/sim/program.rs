//! The real program as a process of its own.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The program, still without arguments.
pub fn ringcard() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ringcard"))
}

/// An address on which nobody listens.
pub fn free_address() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    free.local_addr().expect("it is bound")
}

/// Starts a gateway that listens there; `None` if it does not within half a minute.
pub fn serve(mut command: Command, address: SocketAddr) -> Option<Child> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program was built");
    let patience = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(address).is_err() {
        let has_ended = child.try_wait().expect("it is our own child").is_some();
        if has_ended || Instant::now() > patience {
            kill(&mut child);
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Some(child)
}

/// SIGKILL: no handler runs, nothing is written any more.
pub fn kill(child: &mut Child) {
    child.kill().expect("it is our own child");
    child.wait().expect("it is our own child");
}
