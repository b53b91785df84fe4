//! x86-64 instructions as [`Op`]s. Owns the rules of which registers an instruction writes beyond its
//! first operand; decoding itself is iced's.

use super::op::{Address, Base, Op, Register as Number, Source, Step};
use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

/// Appends the steps of a function's code, which lies at `address`. The padding behind the last
/// instruction gives steps that nothing leads to.
pub(super) fn decode(code: &[u8], address: u64, steps: &mut Vec<Step>) {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        steps.push(Step { at: instruction.ip(), next: instruction.next_ip(), op: op(&instruction) });
    }
}

fn op(i: &Instruction) -> Op {
    match i.flow_control() {
        FlowControl::Next => plain(i),
        FlowControl::Call if i.is_call_near() => Op::Call(Some(i.near_branch_target())),
        FlowControl::IndirectCall => Op::Call(None),
        FlowControl::UnconditionalBranch if i.op0_kind() == OpKind::NearBranch64 => Op::Jump(i.near_branch_target()),
        FlowControl::ConditionalBranch if i.op0_kind() == OpKind::NearBranch64 && !changes_counter(i) => {
            Op::Branch(i.near_branch_target())
        }
        FlowControl::IndirectBranch => Op::Table(None),
        FlowControl::Return => Op::Return,
        FlowControl::Exception | FlowControl::Interrupt => Op::End,
        _ => Op::Opaque,
    }
}

fn changes_counter(i: &Instruction) -> bool {
    matches!(i.mnemonic(), Mnemonic::Loop | Mnemonic::Loope | Mnemonic::Loopne)
}

fn plain(i: &Instruction) -> Op {
    match i.mnemonic() {
        Mnemonic::INVALID => Op::Opaque,
        Mnemonic::Nop | Mnemonic::Endbr64 | Mnemonic::Pause | Mnemonic::Prefetchnta | Mnemonic::Prefetcht0 => {
            Op::Nothing
        }
        Mnemonic::Cmp
        | Mnemonic::Test
        | Mnemonic::Bt
        | Mnemonic::Ucomisd
        | Mnemonic::Ucomiss
        | Mnemonic::Comisd
        | Mnemonic::Comiss => Op::Nothing,
        // Go keeps the frame pointer there for unwinding alone: no word of a frame is reached by it.
        Mnemonic::Mov | Mnemonic::Lea if i.op0_register() == Register::RBP => spoil(&[5]),
        Mnemonic::Mov => mov(i),
        Mnemonic::Lea => lea(i),
        Mnemonic::Xor if i.op0_kind() == OpKind::Register && i.op1_kind() == OpKind::Register => {
            match (number(i.op0_register()), i.op0_register() == i.op1_register()) {
                (Some(to), true) if i.op0_register().size() >= 4 => Op::Move { to, from: Source::Constant(0) },
                _ => first_operand(i),
            }
        }
        Mnemonic::Push => Op::Push,
        Mnemonic::Pop => match number(i.op0_register()) {
            Some(to) if i.op0_kind() == OpKind::Register => Op::Pop(to),
            _ => Op::Opaque,
        },
        Mnemonic::Add | Mnemonic::Sub if i.op0_register() == Register::RSP => stack(i),
        Mnemonic::Add if i.op0_kind() == OpKind::Register && i.op0_register().size() == 8 => add(i),
        // Their results go beyond the first operand.
        Mnemonic::Mul | Mnemonic::Div | Mnemonic::Idiv | Mnemonic::Imul if i.op_count() == 1 => spoil(&[0, 2]),
        Mnemonic::Cdq | Mnemonic::Cqo | Mnemonic::Cwd | Mnemonic::Cdqe | Mnemonic::Cwde | Mnemonic::Cbw => {
            spoil(&[0, 2])
        }
        Mnemonic::Xchg | Mnemonic::Xadd | Mnemonic::Cmpxchg | Mnemonic::Mulx => exchange(i),
        _ if is_simple(i) => first_operand(i),
        _ => Op::Spoil(u32::MAX),
    }
}

/// Instructions of which it is known that they write their first operand and no other register.
fn is_simple(i: &Instruction) -> bool {
    use Mnemonic as M;
    // SSE and AVX instructions write their first operand; the string comparisons and those with
    // fixed operands are all in the list of what is not known.
    let vector = |k: OpKind, r: Register| k == OpKind::Register && (r.is_xmm() || r.is_ymm() || r.is_zmm());
    let strings = matches!(
        i.mnemonic(),
        M::Pcmpestri | M::Pcmpistri | M::Vpcmpestri | M::Vpcmpistri | M::Maskmovdqu | M::Vmaskmovdqu
    );
    if !strings && (vector(i.op0_kind(), i.op0_register()) || vector(i.op1_kind(), i.op1_register())) {
        return true;
    }
    matches!(
        i.mnemonic(),
        M::Add
            | M::Sub
            | M::And
            | M::Or
            | M::Xor
            | M::Adc
            | M::Sbb
            | M::Neg
            | M::Not
            | M::Inc
            | M::Dec
            | M::Shl
            | M::Shr
            | M::Sar
            | M::Sal
            | M::Rol
            | M::Ror
            | M::Rcl
            | M::Rcr
            | M::Shld
            | M::Shrd
            | M::Shlx
            | M::Shrx
            | M::Sarx
            | M::Rorx
            | M::Andn
            | M::Blsi
            | M::Blsr
            | M::Blsmsk
            | M::Bextr
            | M::Bzhi
            | M::Pdep
            | M::Pext
            | M::Adcx
            | M::Adox
            | M::Bswap
            | M::Movbe
            | M::Crc32
            | M::Bsf
            | M::Bsr
            | M::Lzcnt
            | M::Tzcnt
            | M::Popcnt
            | M::Bts
            | M::Btr
            | M::Btc
            | M::Movzx
            | M::Movsx
            | M::Movsxd
            | M::Imul
            | M::Cmova
            | M::Cmovae
            | M::Cmovb
            | M::Cmovbe
            | M::Cmove
            | M::Cmovg
            | M::Cmovge
            | M::Cmovl
            | M::Cmovle
            | M::Cmovne
            | M::Cmovno
            | M::Cmovnp
            | M::Cmovns
            | M::Cmovo
            | M::Cmovp
            | M::Cmovs
            | M::Seta
            | M::Setae
            | M::Setb
            | M::Setbe
            | M::Sete
            | M::Setg
            | M::Setge
            | M::Setl
            | M::Setle
            | M::Setne
            | M::Setno
            | M::Setnp
            | M::Setns
            | M::Seto
            | M::Setp
            | M::Sets
    )
}

fn spoil(registers: &[Number]) -> Op {
    Op::Spoil(registers.iter().fold(0, |mask, &r| mask | 1 << r))
}

/// Unknown in the first operand.
fn first_operand(i: &Instruction) -> Op {
    match i.op0_kind() {
        OpKind::Register => match i.op0_register() {
            Register::RSP | Register::ESP | Register::SP => Op::Opaque,
            r => number(r).map_or(Op::Nothing, |n| spoil(&[n])),
        },
        OpKind::Memory => Op::Store { to: address(i), bytes: width(i), from: Source::Unknown },
        _ => Op::Spoil(u32::MAX),
    }
}

/// Instructions that write both operands, one of them perhaps in memory, or rax.
fn exchange(i: &Instruction) -> Op {
    let of = |k: OpKind, r: Register| if k == OpKind::Register { number(r) } else { None };
    let written = [of(i.op0_kind(), i.op0_register()), of(i.op1_kind(), i.op1_register()), Some(0)];
    let registers = written.into_iter().flatten().fold(0, |mask, r| mask | 1 << r);
    match i.op0_kind() {
        OpKind::Memory => Op::Exchange { registers, to: address(i) },
        _ if i.op1_kind() == OpKind::Memory => Op::Exchange { registers, to: address(i) },
        _ => Op::Spoil(registers),
    }
}

fn stack(i: &Instruction) -> Op {
    let immediate = match i.op1_kind() {
        OpKind::Immediate8to64 | OpKind::Immediate32to64 => i32::try_from(i.immediate(1).cast_signed()).ok(),
        _ => None,
    };
    match (immediate, i.mnemonic()) {
        (Some(n), Mnemonic::Add) => Op::Stack(n),
        (Some(n), _) => n.checked_neg().map_or(Op::Opaque, Op::Stack),
        _ => Op::Opaque,
    }
}

fn add(i: &Instruction) -> Op {
    let from = match i.op1_kind() {
        OpKind::Register => number(i.op1_register()),
        _ => None,
    };
    number(i.op0_register()).map_or_else(|| first_operand(i), |to| Op::Add { to, of: to, and: from })
}

fn mov(i: &Instruction) -> Op {
    let from = match i.op1_kind() {
        OpKind::Register if i.op1_register() == Register::RSP => {
            Source::AddressOf(Address { base: Base::Stack, offset: 0, indexed: false })
        }
        OpKind::Register if i.op1_register().size() == 8 => {
            number(i.op1_register()).map_or(Source::Unknown, Source::Register)
        }
        OpKind::Register => Source::Unknown,
        OpKind::Memory if width(i) == 8 => Source::Load(address(i)),
        OpKind::Memory => Source::Unknown,
        _ => Source::Constant(i.immediate(1)),
    };
    match i.op0_kind() {
        OpKind::Register => match (i.op0_register(), number(i.op0_register())) {
            (Register::RSP | Register::ESP, _) => Op::Opaque,
            (r, Some(to)) if r.size() == 8 => Op::Move { to, from },
            // 32 bits are extended by zeros.
            (r, Some(to)) if r.size() == 4 && matches!(from, Source::Constant(_)) => {
                Op::Move { to, from: Source::Constant(i.immediate(1) & 0xffff_ffff) }
            }
            (_, Some(to)) => spoil(&[to]),
            (_, None) => Op::Nothing,
        },
        OpKind::Memory => Op::Store { to: address(i), bytes: width(i), from },
        _ => Op::Spoil(u32::MAX),
    }
}

fn lea(i: &Instruction) -> Op {
    match number(i.op0_register()) {
        _ if i.op0_register() == Register::RSP => match address(i) {
            Address { base: Base::Stack, offset, indexed: false } => {
                i32::try_from(offset).map_or(Op::Opaque, Op::Stack)
            }
            _ => Op::Opaque,
        },
        Some(to) if i.op0_register().size() == 8 => Op::Move { to, from: Source::AddressOf(address(i)) },
        Some(to) => spoil(&[to]),
        None => Op::Opaque,
    }
}

fn width(i: &Instruction) -> u32 {
    match i.memory_size().size() {
        // Of unknown size (state of the FPU and the like): all that may lie there.
        0 => 4096,
        n => u32::try_from(n).unwrap_or(4096),
    }
}

fn address(i: &Instruction) -> Address {
    let indexed = i.memory_index() != Register::None;
    if matches!(i.memory_segment(), Register::FS | Register::GS) {
        return Address::UNKNOWN;
    }
    if i.is_ip_rel_memory_operand() {
        return Address { base: Base::Fixed, offset: i.ip_rel_memory_address().cast_signed(), indexed };
    }
    let offset = i.memory_displacement64().cast_signed();
    match i.memory_base() {
        Register::RSP => Address { base: Base::Stack, offset, indexed },
        Register::None if !indexed => Address { base: Base::Fixed, offset, indexed },
        r if r.size() == 8 => match number(r) {
            Some(n) => Address { base: Base::Register(n), offset, indexed },
            None => Address::UNKNOWN,
        },
        _ => Address::UNKNOWN,
    }
}

/// Number of a general register, whatever part of it.
fn number(r: Register) -> Option<Number> {
    r.is_gpr().then(|| r.full_register().number() as Number)
}

/// The table of a `JMP (base)(index*8)`, when the base was loaded just before.
pub(super) fn jump_table(steps: &[Step], code: &[u8], start: u64) -> Option<u64> {
    let last = steps.last()?;
    let offset = usize::try_from(last.at.checked_sub(start)?).ok()?;
    let mut decoder = Decoder::with_ip(64, code.get(offset..)?, last.at, DecoderOptions::NONE);
    let i = decoder.decode();
    if i.code() != Code::Jmp_rm64 || i.op0_kind() != OpKind::Memory || i.memory_index_scale() != 8 {
        return None;
    }
    let base = number(i.memory_base())?;
    for step in steps.iter().rev().skip(1).take(8) {
        match step.op {
            Op::Move { to, from: Source::AddressOf(Address { base: Base::Fixed, offset, indexed: false }) }
                if to == base =>
            {
                return Some(offset.cast_unsigned().wrapping_add(i.memory_displacement64()));
            }
            Op::Move { to, .. } if to == base => return None,
            Op::Move { .. } | Op::Nothing | Op::Branch(_) => {}
            Op::Spoil(mask) if mask >> base & 1 == 0 => {}
            _ => return None,
        }
    }
    None
}
