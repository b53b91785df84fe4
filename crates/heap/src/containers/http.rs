//! HTTP/1 connections of package `net/http`: those of a client by their `Transport` (`src/net/http/transport.go`), those
//! of a server by their `Server` (`src/net/http/server.go`), and which of them are idle. A client's connection that is
//! not idle has a request under way, or a response whose body was neither read to its end nor closed.
//! Fields are found by name (Go 1.19 to 1.27).

use super::{Collector, ContainerFacts, ContainerKind, Note};
use crate::program::HeapGraph;
use crate::shapes::Shape;
use crate::typing::known::field;
use gobinary::TypeId;
use gobinary::types::Kind;
use goruntime::ObjectId;
use rustc_hash::FxHashMap;

/// Offset of `len` in `list.List` (`src/container/list/list.go`).
const LIST_LEN: u64 = 40;
/// `http.StateIdle`, `http.StateClosed`.
const IDLE: u8 = 2;
const CLOSED: u8 = 4;

/// Offsets of fields.
#[derive(Clone, Copy)]
enum Connection {
    /// `http.persistConn`: its transport; an error once it is closed.
    Client { owner: u64, closed: u64 },
    /// `http.conn`: its server; its state in the lowest byte of a word.
    Server { owner: u64, state: u64 },
}

/// Connections of one transport or server.
#[derive(Default)]
struct Sum {
    client: bool,
    count: u64,
    idle: u64,
    bytes: u64,
    retained: u64,
}

impl HeapGraph<'_> {
    pub(super) fn http_into(&self, collector: &mut Collector) {
        let (connections, idle_list) = self.http_types();
        if connections.is_empty() {
            return;
        }
        let mut sums: FxHashMap<u64, Sum> = FxHashMap::default();
        for i in 0..self.objects.spans().len() as u32 {
            for (object, _) in self.objects.of_span(i) {
                if let Shape::Value(id) = self.shapes.of(object)
                    && let Some(&connection) = connections.get(&id)
                {
                    self.connection(object, connection, &mut sums);
                }
            }
        }
        for (owner, mut sum) in sums {
            if let (true, Some(list)) = (sum.client, idle_list) {
                sum.idle = self.list_len(owner.saturating_add(list)).unwrap_or(0);
            }
            let name = if sum.client { "http.Transport" } else { "http.Server" };
            let mut facts = ContainerFacts {
                object: self.objects.find(owner).map(|f| f.object),
                address: owner,
                entries: sum.count,
                own_bytes: sum.bytes,
                content_bytes: sum.retained.saturating_sub(sum.bytes),
                retained: sum.retained,
                ..ContainerFacts::new(ContainerKind::Http, name.to_owned())
            };
            if sum.idle > sum.count {
                facts.notes.push(Note::Damaged);
            }
            let idle = sum.idle.min(sum.count);
            facts.notes.push(Note::Connections { idle, busy: sum.count - idle });
            collector.add(facts);
        }
    }

    /// Types of connections, and where a transport has its list of idle ones.
    fn http_types(&self) -> (FxHashMap<TypeId, Connection>, Option<u64>) {
        let types = &self.runtime.types;
        let mut connections = FxHashMap::default();
        let mut idle_list = None;
        for id in (0..types.len()).map(|i| TypeId(i as u32)) {
            if types.get(id).is_none_or(|t| t.kind != Kind::Struct || !t.named) {
                continue;
            }
            let at = |name: &str| field(types, id, name).map(|f| f.0);
            let found = match types.stored_name(id).as_deref() {
                Some("http.persistConn") => {
                    at("t").zip(at("closed")).map(|(owner, closed)| Connection::Client { owner, closed })
                }
                Some("http.conn") => {
                    at("server").zip(at("curState")).map(|(owner, state)| Connection::Server { owner, state })
                }
                Some("http.Transport") => {
                    idle_list = at("idleLRU");
                    None
                }
                _ => None,
            };
            connections.extend(found.map(|f| (id, f)));
        }
        (connections, idle_list)
    }

    fn connection(&self, object: ObjectId, connection: Connection, sums: &mut FxHashMap<u64, Sum>) {
        let Some(start) = self.objects.address(object) else { return };
        let start = start + u64::from(self.first_byte(object));
        let word = |at: u64| self.runtime.memory.u64(start.saturating_add(at)).unwrap_or(0);
        let (owner, client, idle, closed) = match connection {
            Connection::Client { owner, closed } => (word(owner), true, false, word(closed) != 0),
            Connection::Server { owner, state } => {
                let state = word(state) as u8;
                (word(owner), false, state == IDLE, state == CLOSED)
            }
        };
        if owner == 0 || closed {
            return;
        }
        let sum = sums.entry(owner).or_default();
        sum.client = client;
        sum.count += 1;
        sum.idle += u64::from(idle);
        sum.bytes = sum.bytes.saturating_add(self.objects.size(object).unwrap_or(0));
        sum.retained = sum.retained.saturating_add(self.tree.retained(object));
    }

    /// Length of the `*list.List` at an address.
    fn list_len(&self, at: u64) -> Option<u64> {
        let list = self.runtime.memory.u64(at).ok().filter(|&l| l != 0)?;
        self.runtime.memory.u64(list.checked_add(LIST_LEN)?).ok()
    }
}
