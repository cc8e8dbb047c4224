//go:build !noasm

#include "textflag.h"

// func pairAVX2(a, b *byte, n int, first, second byte) int
//
// Returns the first i below n, which is a multiple of 32, with a[i] = first and
// b[i] = second, or n.
TEXT ·pairAVX2(SB), NOSPLIT, $0-40
	MOVQ         a+0(FP), SI
	MOVQ         b+8(FP), DI
	MOVQ         n+16(FP), CX
	VPBROADCASTB first+24(FP), Y0
	VPBROADCASTB second+25(FP), Y1
	XORQ         BX, BX
	SUBQ         $96, CX // where four blocks begin for the last time, or behind that
	JLE          rest

four:
	VPCMPEQB (SI)(BX*1), Y0, Y2
	VPCMPEQB 32(SI)(BX*1), Y0, Y3
	VPCMPEQB 64(SI)(BX*1), Y0, Y4
	VPCMPEQB 96(SI)(BX*1), Y0, Y5
	VPCMPEQB (DI)(BX*1), Y1, Y6
	VPCMPEQB 32(DI)(BX*1), Y1, Y7
	VPCMPEQB 64(DI)(BX*1), Y1, Y8
	VPCMPEQB 96(DI)(BX*1), Y1, Y9
	VPAND    Y2, Y6, Y2
	VPAND    Y3, Y7, Y3
	VPAND    Y4, Y8, Y4
	VPAND    Y5, Y9, Y5
	VPOR     Y2, Y3, Y2
	VPOR     Y4, Y5, Y4
	VPOR     Y2, Y4, Y2
	VPTEST   Y2, Y2
	JNZ      rest
	ADDQ     $128, BX
	CMPQ     BX, CX
	JLT      four

rest:
	ADDQ $96, CX
	CMPQ BX, CX
	JGE  done

one:
	VPCMPEQB  (SI)(BX*1), Y0, Y2
	VPCMPEQB  (DI)(BX*1), Y1, Y3
	VPAND     Y2, Y3, Y2
	VPMOVMSKB Y2, AX
	TESTL     AX, AX
	JNZ       found
	ADDQ      $32, BX
	CMPQ      BX, CX
	JLT       one
	JMP       done

found:
	BSFL AX, AX
	ADDQ AX, BX

done:
	VZEROUPPER
	MOVQ BX, ret+32(FP)
	RET
