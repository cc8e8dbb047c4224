//go:build !noasm

#include "textflag.h"

// func skipAVX2(p *byte, blocks int, class *[32]byte, n int) int
//
// Goes over blocks of 32 bytes and returns the index of the first in which a
// run of n bytes of the class is complete, or -1. n is from 16 to 32.
//
// A byte is in the class when the two tables, looked up with its low and its
// high half, have a bit in common.
TEXT ·skipAVX2(SB), NOSPLIT, $0-40
	MOVQ p+0(FP), SI
	MOVQ blocks+8(FP), BX
	MOVQ class+16(FP), DI
	MOVQ n+24(FP), R8

	VBROADCASTI128 (DI), Y0   // by low half
	VBROADCASTI128 16(DI), Y1 // by high half
	MOVQ           $0x0f0f0f0f0f0f0f0f, AX
	VMOVQ          AX, X2
	VPBROADCASTQ   X2, Y2
	VPXOR          Y3, Y3, Y3

	MOVQ R8, CX
	SUBQ $16, CX  // what a run of 16 lacks
	XORQ R9, R9   // bytes of the class before the block
	XORQ R10, R10 // block

loop:
	CMPQ      R10, BX
	JGE       none
	VMOVDQU   (SI), Y4
	VPSRLW    $4, Y4, Y5
	VPAND     Y2, Y4, Y4
	VPAND     Y2, Y5, Y5
	VPSHUFB   Y4, Y0, Y4
	VPSHUFB   Y5, Y1, Y5
	VPAND     Y4, Y5, Y4
	VPCMPEQB  Y3, Y4, Y4
	VPMOVMSKB Y4, AX          // a bit for each byte that is not in the class
	TESTL     AX, AX
	JZ        full

	BSFL AX, DX
	ADDQ DX, R9
	CMPQ R9, R8
	JGE  found

	// Runs inside the block: each step leaves a bit where a run of twice the
	// length begins, the last one where it is n.
	MOVL AX, DX
	NOTL DX
	MOVL DX, R11
	SHRL $1, R11
	ANDL R11, DX
	MOVL DX, R11
	SHRL $2, R11
	ANDL R11, DX
	MOVL DX, R11
	SHRL $4, R11
	ANDL R11, DX
	MOVL DX, R11
	SHRL $8, R11
	ANDL R11, DX
	MOVL DX, R11
	SHRL CX, R11
	ANDL R11, DX
	JNZ  found

	BSRL AX, DX
	MOVQ $31, R9
	SUBQ DX, R9

next:
	ADDQ $32, SI
	INCQ R10
	JMP  loop

full:
	ADDQ $32, R9
	CMPQ R9, R8
	JLT  next

found:
	VZEROUPPER
	MOVQ R10, ret+32(FP)
	RET

none:
	VZEROUPPER
	MOVQ $-1, ret+32(FP)
	RET
