//! The action `show_address`: tells where the box is, by the means that it has.

use super::welcome;
use crate::control::{Act, Control, Order, Run, What};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// See the module.
pub struct ShowAddress {
    listens: SocketAddr,
    name: watch::Receiver<Option<String>>,
}

impl ShowAddress {
    /// `name` is the box's on the LAN, as it comes to be.
    pub fn new(listens: SocketAddr, name: watch::Receiver<Option<String>>) -> Self {
        Self { listens, name }
    }
}

impl Act for ShowAddress {
    fn name(&self) -> &'static str {
        "show_address"
    }

    fn title(&self) -> &'static str {
        "Show the address"
    }

    fn run<'a>(&'a self, control: &'a Arc<Control>, _: &'a Order) -> Run<'a> {
        Box::pin(async move {
            // Asked each time: a box is carried to another network.
            let address = welcome::url(self.listens);
            println!("Watch at {address}");
            let name = self.name.borrow().as_ref().map(|name| format!(" or http://{name}:{}/", self.listens.port()));
            control.tell(What::Address { address: address.clone() });
            Ok(format!("the box is at {address}{}", name.unwrap_or_default()))
        })
    }
}
