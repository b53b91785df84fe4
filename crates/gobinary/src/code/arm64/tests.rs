//! Instructions as Go's compiler and assembler make them, and words at random.

use super::*;
use proptest::prelude::*;

fn steps(words: &[u32]) -> Vec<Op> {
    let code: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let mut steps = Vec::new();
    decode(&code, 0x12_0000, &mut steps);
    assert!(steps.is_sorted_by_key(|s| s.at));
    steps.into_iter().map(|s| s.op).collect()
}

fn at(base: Base, offset: i64) -> Address {
    Address { base, offset, indexed: false }
}

const LOAD_1: Op =
    Op::Move { to: 1, from: Source::Load(Address { base: Base::Register(1), offset: 8, indexed: false }) };

/// The words are what `go tool objdump` shows of the instruction beside them.
#[test]
fn words_are_moved() {
    let store = |offset, from| Op::Store { to: at(Base::Stack, offset), bytes: 8, from };
    for (word, ops) in [
        // MOVD R0, R2 and MOVD ZR, R7; MOVD $5, R1; ORR $32, ZR, R0; MOVW R1, R2.
        (0xaa00_03e2, vec![Op::Move { to: 2, from: Source::Register(0) }]),
        (0xaa1f_03e7, vec![Op::Move { to: 7, from: Source::Constant(0) }]),
        (0xd280_00a1, vec![Op::Move { to: 1, from: Source::Constant(5) }]),
        (0xb27b_03e0, vec![Op::Move { to: 0, from: Source::Constant(32) }]),
        (0x2a01_03e2, vec![Op::Spoil(1 << 2)]),
        // ADRP 61440(PC), R0; ADD $578, R0, R0; ADD $104, RSP, R5; ADD R12, R11, R13.
        (0xf000_0060, vec![Op::Move { to: 0, from: Source::Constant(0x12_f000) }]),
        (0x9109_0800, vec![Op::Move { to: 0, from: Source::AddressOf(at(Base::Register(0), 578)) }]),
        (0x9101_a3e5, vec![Op::Move { to: 5, from: Source::AddressOf(at(Base::Stack, 104)) }]),
        (0x8b0c_016d, vec![Op::Add { to: 13, of: 11, and: Some(12) }]),
        // ADD R12<<1, R12, R12; SUB $24, R12, R12; SUB $8, RSP, R29; CMP $0, R3.
        (0x8b0c_058c, vec![Op::Add { to: 12, of: 12, and: None }]),
        (0xd100_618c, vec![Op::Spoil(1 << 12)]),
        (0xd100_23fd, vec![Op::Spoil(1 << 29)]),
        (0xf100_007f, vec![Op::Nothing]),
        // MOVD R0, 136(RSP); MOVD 8(R1), R1; MOVWU 176(R27), R10; MOVD (R11)(R12), R14.
        (0xf900_47e0, vec![store(136, Source::Register(0))]),
        (0xf940_0421, vec![LOAD_1]),
        (0xb940_b36a, vec![Op::Spoil(1 << 10)]),
        (
            0xf86c_696e,
            vec![Op::Move {
                to: 14,
                from: Source::Load(Address { base: Base::Register(11), offset: 0, indexed: true }),
            }],
        ),
        // STP (R10, R0), 104(RSP); LDP 48(R10), (R11, R12).
        (0xa906_83ea, vec![store(104, Source::Register(10)), store(112, Source::Register(0))]),
        (
            0xa943_314b,
            vec![
                Op::Move { to: 11, from: Source::Load(at(Base::Register(10), 48)) },
                Op::Move { to: 12, from: Source::Load(at(Base::Register(10), 56)) },
            ],
        ),
        // FMOVD 16(R3), F0; FMULD F0, F1, F0; FCVTZSD F0, R4; CSEL LE, R5, R4, R4.
        (0xfd40_0860, vec![Op::Nothing]),
        (0x1e60_0820, vec![Op::Nothing]),
        (0x9e78_0004, vec![Op::Spoil(1 << 4)]),
        (0x9a84_d0a4, vec![Op::Spoil(1 << 4)]),
    ] {
        assert_eq!(steps(&[word]), ops, "{word:#x}");
    }
}

#[test]
fn ways_are_followed() {
    for (word, op) in [
        // CALL 0x121100; JMP back 17 words; BLS 13(PC); CBZ R4, 9(PC); CALL (R1); RET; padding.
        (0x9400_0440, Op::Call(Some(0x12_1100))),
        (0x17ff_ffef, Op::Jump(0x11_ffbc)),
        (0x5400_01a9, Op::Branch(0x12_0034)),
        (0xb400_0124, Op::Branch(0x12_0024)),
        (0x3600_0363, Op::Branch(0x12_006c)),
        (0xd63f_0020, Op::Call(None)),
        (0xd65f_03c0, Op::Return),
        (0, Op::End),
    ] {
        assert_eq!(steps(&[word]), [op], "{word:#x}");
    }
    // ADRP; ADD $800, R1, R1; MOVD (R1)(R3<<3), R27; JMP (R27).
    let table = steps(&[0xb000_0961, 0x910c_8021, 0xf863_783b, 0xd61f_0360]);
    assert_eq!(table.last(), Some(&Op::Table(Some(0x24_d320))));
    assert_eq!(steps(&[0xd61f_0360]), [Op::Table(None)]);
}

#[test]
fn frames_are_made_and_left() {
    // MOVD.W R30, -48(RSP); MOVD.P 48(RSP), R30.
    assert_eq!(
        steps(&[0xf81d_0ffe, 0xf843_07fe]),
        [
            Op::Stack(-48),
            Op::Store { to: at(Base::Stack, 0), bytes: 8, from: Source::Register(30) },
            Op::Move { to: 30, from: Source::Load(at(Base::Stack, 0)) },
            Op::Stack(48),
        ]
    );
    // A large one: SUB $944, RSP, R20; STP (R29, R30), -8(R20); MOVD R20, RSP.
    let large = steps(&[0xd10e_c3f4, 0xa93f_fa9d, 0x9100_029f]);
    assert_eq!(large.first(), Some(&Op::Spoil(1 << 20)));
    assert_eq!(large.get(1).map(|o| matches!(o, Op::Store { to, .. } if *to == at(Base::Stack, -952))), Some(true));
    assert_eq!(large.last(), Some(&Op::Stack(-944)));
    // One larger still, by a number: MOVD $66560, R27 and ADD R27, RSP, RSP.
    assert_eq!(steps(&[0xd280_801b, 0xf2a0_003b, 0x8b3b_63ff]).last(), Some(&Op::Stack(0x1_0400)));
    // By a number that lies among the code: MOVWU 3(PC), R27; ADD R27, RSP, RSP; RET; 4288.
    let literal = steps(&[0x1800_007b, 0x8b3b_63ff, 0xd65f_03c0, 4288]);
    assert_eq!(literal.get(1), Some(&Op::Stack(4288)));
    // The stack pointer from a register of unknown value.
    assert_eq!(steps(&[0x9100_029f]), [Op::Opaque]);
}

#[test]
fn words_too_far_away_are_words_of_the_frame() {
    // ADD $976, RSP, R27; MOVD R0, 8(R27).
    let far = steps(&[0x910f_43fb, 0xf900_0760]);
    let store = Op::Store { to: at(Base::Stack, 984), bytes: 8, from: Source::Register(0) };
    assert_eq!(far, [Op::Spoil(1 << 27), store]);
    // ADD $(1<<12), RSP, R4; ADD $104, R4, R4.
    let far = steps(&[0x9140_07e4, 0x9101_a084]);
    assert_eq!(far.last(), Some(&Op::Move { to: 4, from: Source::AddressOf(at(Base::Stack, 4200)) }));
}

proptest! {
    #[test]
    fn any_words_are_decoded(words in prop::collection::vec(any::<u32>(), 0..64)) {
        prop_assert!(steps(&words).len() >= words.len());
    }
}
