/* Every linear kernel of one instruction set. Defined before: ISA, TILE_ROWS, TILE_COLUMNS, PRODUCT_ROWS, FUSED(a, b, c), and
   of either arithmetic R (F32, F64): VECTOR_R, LANES_R, ZERO_R, LOAD_R, STORE_R, SPREAD_R, FMA_R, FOLD_R, and WIDEN_<type>_R
   for every type. */

#define REAL float
#define REAL_NAME f32
#define VECTOR VECTOR_F32
#define LANES LANES_F32
#define ZERO ZERO_F32
#define LOAD LOAD_F32
#define STORE STORE_F32
#define SPREAD SPREAD_F32
#define FMA FMA_F32
#define FOLD FOLD_F32

#define TYPE u8
#define STORED uint8_t
#define WIDEN WIDEN_U8_F32
#include "panels.h"
#include "tile.h"
#define TYPE i8
#define STORED int8_t
#define WIDEN WIDEN_I8_F32
#include "panels.h"
#include "tile.h"
#define TYPE f16
#define STORED uint16_t
#define WIDEN WIDEN_F16_F32
#include "panels.h"
#include "tile.h"
#define TYPE bf16
#define STORED uint16_t
#define WIDEN WIDEN_BF16_F32
#include "panels.h"
#include "tile.h"
#define TYPE f32
#define STORED float
#define WIDEN LOAD_F32
#include "panels.h"
#include "tile.h"

#include "product.h"
#define EXP_TERMS 8
#include "softmax.h"
#undef REAL
#undef REAL_NAME
#undef VECTOR
#undef LANES
#undef ZERO
#undef LOAD
#undef STORE
#undef SPREAD
#undef FMA
#undef FOLD

#define REAL double
#define REAL_NAME f64
#define VECTOR VECTOR_F64
#define LANES LANES_F64
#define ZERO ZERO_F64
#define LOAD LOAD_F64
#define STORE STORE_F64
#define SPREAD SPREAD_F64
#define FMA FMA_F64
#define FOLD FOLD_F64

#define TYPE u8
#define STORED uint8_t
#define WIDEN WIDEN_U8_F64
#include "squares.h"
#include "panels.h"
#include "tile.h"
#define TYPE i8
#define STORED int8_t
#define WIDEN WIDEN_I8_F64
#include "squares.h"
#include "panels.h"
#include "tile.h"
#define TYPE f16
#define STORED uint16_t
#define WIDEN WIDEN_F16_F64
#include "squares.h"
#include "panels.h"
#include "tile.h"
#define TYPE bf16
#define STORED uint16_t
#define WIDEN WIDEN_BF16_F64
#include "squares.h"
#include "panels.h"
#include "tile.h"
#define TYPE f32
#define STORED float
#define WIDEN WIDEN_F32_F64
#include "squares.h"
#include "panels.h"
#include "tile.h"
#define TYPE f64
#define STORED double
#define WIDEN LOAD_F64
#include "squares.h"
#include "panels.h"
#include "tile.h"

#include "product.h"
#define EXP_TERMS 12
#include "softmax.h"
#undef REAL_NAME
#undef VECTOR
#undef LANES
#undef ZERO
#undef LOAD
#undef STORE
#undef SPREAD
#undef FMA
#undef FOLD
#undef REAL

#define DESCEND FASTCLS_JOIN(descend_f64, ISA)
#define ADD_STRIP FASTCLS_JOIN(add_f64, ISA)
#define REAL double
#define WIDEN_REAL LOAD_F64
#include "descent.h"
#define DESCEND FASTCLS_JOIN(descend_f32, ISA)
#define ADD_STRIP FASTCLS_JOIN(add_f32, ISA)
#define REAL float
#define WIDEN_REAL WIDEN_F32_F64
#include "descent.h"
#undef ISA
#undef TILE_ROWS
#undef TILE_COLUMNS
#undef PRODUCT_ROWS
#undef FUSED
