"""Student checkpoint → ONNX → fused → fp16 / int8 → a bundle proven against its source."""
