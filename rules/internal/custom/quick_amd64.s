//go:build !noasm

#include "textflag.h"

// Ands into Y7 which buckets have the 32 bytes at P, by the tables of their low
// halves LO and their high ones HI.
#define FINGER(P, LO, HI) \
	VMOVDQU P, Y8         \
	VPSRLW  $4, Y8, Y9    \
	VPAND   Y8, Y6, Y8    \
	VPAND   Y9, Y6, Y9    \
	VPSHUFB Y8, LO, Y8    \
	VPSHUFB Y9, HI, Y9    \
	VPAND   Y8, Y9, Y8    \
	VPAND   Y8, Y7, Y7

// func fingersAVX2(p *byte, n int, tables *[6][16]uint8) int
//
// Returns the first i below n, which is a multiple of 32, for which the tables of
// p[i], p[i+1] and p[i+2] have a bit in common; or n. It reads up to p[n+1].
TEXT ·fingersAVX2(SB), NOSPLIT, $0-32
	MOVQ           p+0(FP), SI
	MOVQ           n+8(FP), CX
	MOVQ           tables+16(FP), DI
	VBROADCASTI128 (DI), Y0
	VBROADCASTI128 16(DI), Y1
	VBROADCASTI128 32(DI), Y2
	VBROADCASTI128 48(DI), Y3
	VBROADCASTI128 64(DI), Y4
	VBROADCASTI128 80(DI), Y5
	MOVL           $15, AX
	VMOVD          AX, X6
	VPBROADCASTB   X6, Y6
	VPXOR          Y10, Y10, Y10
	VPCMPEQB       Y10, Y10, Y11
	XORQ           BX, BX

next:
	VMOVDQA Y11, Y7
	FINGER(0(SI)(BX*1), Y0, Y1)
	FINGER(1(SI)(BX*1), Y2, Y3)
	FINGER(2(SI)(BX*1), Y4, Y5)
	VPTEST  Y7, Y7
	JNZ     found
	ADDQ    $32, BX
	CMPQ    BX, CX
	JLT     next
	JMP     done

found:
	VPCMPEQB  Y10, Y7, Y7
	VPMOVMSKB Y7, AX
	NOTL      AX
	BSFL      AX, AX
	ADDQ      AX, BX

done:
	VZEROUPPER
	MOVQ BX, ret+24(FP)
	RET
