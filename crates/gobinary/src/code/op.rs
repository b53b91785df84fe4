//! What machine instructions do to registers and to the words of a frame, as far as following
//! pointers needs it: one [`Op`] for each instruction, the same for all processors. What an
//! instruction does beyond that makes its targets unknown; nothing is guessed.

/// Number of a general register: rax, rcx, ... r15 of amd64, x0 to x30 of arm64.
pub(super) type Register = u8;
/// Registers that are kept track of.
pub(super) const REGISTERS: usize = 32;

/// Where memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// At a fixed address.
    Fixed,
    /// At the stack pointer.
    Stack,
    /// At a register.
    Register(Register),
    /// Nothing is known.
    Unknown,
}

/// An operand in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// What the offset counts from.
    pub(super) base: Base,
    /// Bytes; the address itself when fixed.
    pub(super) offset: i64,
    /// An index register is added.
    pub(super) indexed: bool,
}

impl Address {
    pub(super) const UNKNOWN: Self = Self { base: Base::Unknown, offset: 0, indexed: false };
}

/// A word that is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Of unknown value.
    Unknown,
    /// This number.
    Constant(u64),
    /// A register.
    Register(Register),
    /// The word there.
    Load(Address),
    /// The address itself.
    AddressOf(Address),
}

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Nothing that matters.
    Nothing,
    /// Writes a register.
    Move { to: Register, from: Source },
    /// Adds to a register another one, or a number.
    Add { to: Register, of: Register, and: Option<Register> },
    /// Makes registers unknown: a bit each.
    Spoil(u32),
    /// Writes so many bytes of memory.
    Store { to: Address, bytes: u32, from: Source },
    /// Makes registers unknown, and the word there.
    Exchange { registers: u32, to: Address },
    /// Moves the stack pointer by so many bytes.
    Stack(i32),
    /// Pushes a word that matters not.
    Push,
    /// Pops a word into a register.
    Pop(Register),
    /// Calls.
    Call(Option<u64>),
    /// Goes on elsewhere.
    Jump(u64),
    /// Goes on elsewhere or behind.
    Branch(u64),
    /// Goes on at one of the addresses in a table.
    Table(Option<u64>),
    /// Returns to the caller.
    Return,
    /// Does not go on.
    End,
    /// Does what is not known: nothing may be said of the function.
    Opaque,
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Its address.
    pub(super) at: u64,
    /// Address behind it.
    pub(super) next: u64,
    /// What it does.
    pub(super) op: Op,
}
