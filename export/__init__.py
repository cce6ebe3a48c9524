"""Student checkpoint → ONNX → fused → fp16 / int8 → a bundle proven against its source.

The whole way
  bundle.py             from a cross-encoder's checkpoint to a verified bundle   split_bundle.py   a split student's
  parity.py             proof that a graph computes what the checkpoint computes
The graph, step by step
  graph.py              ONNX, fusion, lower precision                 split_graph.py     a split student's three graphs
  last_layer.py         the last layer for [CLS] alone; one_query.py: its attention
  residual_norms.py     sums and layer norms by themselves            onnx_graph.py      what such steps share
Precision
  static_ranges.py      fixed activation ranges                       range_feeds.py     inputs to learn them from
  smoothing.py          dominant channels levelled out before int8
  half_precision.py     fp16 for CUDA                                 half_weights.py    fp16 weights in an int8 graph
  packing.py            padding left out of all layers but the last
Graphs that run
  sessions.py           how the export opens a graph on the CPU       split_runner.py    a split student's, to compare
  product_encoder.py    a split student's encoder, length-sorted, in several threads
  encoder_graph.py      its graph, with errors that name the file
A shop's catalogue
  catalogue.py          the command                                   catalogue_build.py from products to a catalogue
  product_file.py       the products, in blocks                       parquet_rows.py    rows of a Parquet file
  repeated_ids.py       ids named more than once                      hashed_file.py     their file, hashed and watched
What all share
  errors.py             what can go wrong                             progress.py        a bar, or lines in a log
"""
