"""The models, and how (query, product) becomes what they read.

backbone.py       where pretrained weights come from
cross_encoder.py  query and product read together: logits of many pairs
bi_encoder.py     read apart: the zero-shot cosine, which is baseline, retriever and half of the teacher
pair_rule.py      what a teacher's member needs of its input: token ids by one rule
decoder_input.py  that rule for a decoder language model
split/            the split student: products encoded without a query
untrained_shapes.py  cross-encoders with random weights, to measure speed with
"""
