mod facts; pub use facts::*;
