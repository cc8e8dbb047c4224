//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Sets a bit in X for each of the 32 bytes at P that is of no class, and Y
// for each that is not of the other.
#define OUTSIDE(P, X, Y) \
	VMOVDQU   (P), Y8      \
	VPSRLW    $4, Y8, Y9   \
	VPAND     Y2, Y9, Y9   \
	VPSHUFB   Y8, Y0, Y8   \ // none for a byte that is not ASCII
	VPSHUFB   Y9, Y1, Y9   \
	VPAND     Y8, Y9, Y8   \
	VPAND     Y4, Y8, Y9   \
	VPAND     Y5, Y8, Y8   \
	VPCMPEQB  Y3, Y9, Y9   \
	VPCMPEQB  Y3, Y8, Y8   \
	VPMOVMSKB Y9, X        \
	VPMOVMSKB Y8, Y

// Sets a bit in each quadword of V for each place from which on a bit of none
// of the next 16+N is set; the topmost 15+N say nothing.
#define AHEAD(V, T, N) \
	VPSRLQ $1, V, T \
	VPOR   V, T, V  \
	VPSRLQ $2, V, T \
	VPOR   V, T, V  \
	VPSRLQ $4, V, T \
	VPOR   V, T, V  \
	VPSRLQ $8, V, T \
	VPOR   V, T, V  \
	VPSRLQ N, V, T  \
	VPOR   V, T, V

// Turns the bits at P, for bytes outside, into those for starts, 256 at once:
// what begins in the low half of a word ends in it, what begins in the high
// half ends in the word that is read from there on.
#define STARTS(P, N, ANY) \
	VMOVDQU  (P), Y8            \
	VMOVDQU  4(P), Y9           \
	AHEAD(Y8, Y10, N)           \
	AHEAD(Y9, Y11, N)           \
	VPSLLQ   $32, Y9, Y9        \
	VPBLENDD $0xaa, Y9, Y8, Y8  \
	VPXOR    Y15, Y8, Y8        \
	VPOR     Y8, ANY, ANY       \
	VMOVDQU  Y8, (P)

// func startsAVX2(p *byte, blocks int, tail *[32]byte, l *lookup, starts *[2][pieceWords]uint64) uint8
TEXT ·startsAVX2(SB), NOSPLIT, $0-41
	MOVQ p+0(FP), SI
	MOVQ blocks+8(FP), BX
	MOVQ tail+16(FP), DX
	MOVQ l+24(FP), CX
	MOVQ starts+32(FP), DI
	LEAQ (const_pieceWords*8)(DI), R8

	VBROADCASTI128 lookup_low(CX), Y0
	VBROADCASTI128 lookup_high(CX), Y1
	MOVQ           $0x0f0f0f0f0f0f0f0f, AX
	VMOVQ          AX, X2
	VPBROADCASTQ   X2, Y2
	VPXOR          Y3, Y3, Y3
	VPBROADCASTB   lookup_bits(CX), Y4
	VPBROADCASTB   (lookup_bits+1)(CX), Y5
	MOVBLZX        lookup_more(CX), AX
	VMOVQ          AX, X6
	MOVBLZX        (lookup_more+1)(CX), AX
	VMOVQ          AX, X7
	VPCMPEQB       Y15, Y15, Y15

	XORQ R10, R10
	CMPQ R10, BX
	JGE  last

blocks:
	OUTSIDE(SI, AX, R9)
	MOVL AX, (DI)(R10*4)
	MOVL R9, (R8)(R10*4)
	ADDQ $32, SI
	INCQ R10
	CMPQ R10, BX
	JLT  blocks

last:
	OUTSIDE(DX, AX, R9)
	MOVL    AX, (DI)(R10*4)
	MOVL    R9, (R8)(R10*4)
	VMOVDQU Y15, 4(DI)(R10*4) // nothing behind the end
	VMOVDQU Y15, 4(R8)(R10*4)

	VPXOR Y12, Y12, Y12
	VPXOR Y13, Y13, Y13

groups:
	STARTS(DI, X6, Y12)
	STARTS(R8, X7, Y13)
	ADDQ $32, DI
	ADDQ $32, R8
	SUBQ $8, R10
	JGE  groups

	XORL  AX, AX
	XORL  BX, BX
	VPTEST Y12, Y12
	SETNE AX
	VPTEST Y13, Y13
	SETNE BX
	LEAL  (AX)(BX*2), AX
	MOVB  AX, ret+40(FP)
	VZEROUPPER
	RET
