/** The op table as data (native/core/ops.json); the generated module fills it. */
export interface DimPattern {
  /** An integer or the name of an attribute. */
  mul: string;
  /** Empty: the constant `add`. A name that ends in `_i` is bound once per repetition. */
  name: string;
  add: number;
}

export interface ShapePattern {
  kind: 'any' | 'free' | 'same' | 'dims';
  like?: string;
  dims: DimPattern[];
}

export interface OperandSchema {
  name: string;
  repeat: boolean;
  writes: boolean;
  optional: boolean;
  /** `float` | `float|i8` | `f32` | `i32` | `any` | `=operand` | `@dtype` */
  dtype: string;
  shape: ShapePattern;
  role: { kind: string; of?: string; lo?: number; hi?: DimPattern[] };
}

export interface AttrSchema {
  name: string;
  type: string;
  lo: number;
  hi: number;
}

export interface RuleSchema {
  /**
   * `needs`: where `operand` is present, so are `needs`. `absent_equal`: where it is absent, dimension `a` equals `b`. `with_i8`: it is
   * present where operand `a` is i8, and only there.
   */
  kind: 'needs' | 'absent_equal' | 'with_i8';
  operand: string;
  a: string;
  b: string;
  needs: readonly string[];
}

export interface OpSchema {
  id: number;
  name: string;
  view: boolean;
  inputs: OperandSchema[];
  outputs: OperandSchema[];
  attrs: AttrSchema[];
  rules: RuleSchema[];
}
