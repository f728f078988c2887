//! How the connection of an account comes about: we dial the PBX, or it dials us.
//!
//! Where it dials us we listen only while it is not connected: whoever else comes meanwhile is refused
//! by the system, and who comes first has to show that it is the PBX, or its connection ends.

use std::time::Duration;

use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::pbx::Intake;

/// The next connection, or why there is none.
pub(super) async fn connect(intake: &Intake, patience: Duration) -> Result<TcpStream, String> {
    match intake {
        Intake::Dial { address } => match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => Ok(socket),
            Ok(Err(error)) => Err(format!("not connected: {error}")),
            Err(_) => Err("not connected in time".to_owned()),
        },
        Intake::Listen { address } => {
            let listener = TcpListener::bind(address).await;
            let listener = listener.map_err(|error| format!("not listened on: {error}"))?;
            let accepted = listener.accept().await;
            let (socket, _) = accepted.map_err(|error| format!("not accepted: {error}"))?;
            Ok(socket)
        }
        Intake::Webhook => Err("this PBX posts".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn who_is_to_be_dialled_by_is_let_in_once_at_a_time() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        for _ in 0..2 {
            let intake = Intake::Listen { address };
            let waiting = tokio::spawn(async move { connect(&intake, PATIENCE).await });
            let pbx = loop {
                match TcpStream::connect(address).await {
                    Ok(pbx) => break pbx,
                    Err(_) => tokio::task::yield_now().await,
                }
            };
            let ours = waiting.await.unwrap().unwrap();
            assert_eq!(ours.peer_addr().unwrap(), pbx.local_addr().unwrap());
            assert!(TcpStream::connect(address).await.is_err(), "one is enough");
        }
    }

    #[tokio::test]
    async fn who_posts_is_not_connected() {
        assert!(connect(&Intake::Webhook, PATIENCE).await.is_err());
    }
}
