"""The CPU engine: whole passes of a network as calls of C kernels.

engine.py                   the Engine; lowering.py: plain forward → steps, by torch.fx
inference_plan.py, pgd.py   eval mode and attacks; training_plan.py: training mode; layerwise.py: layer by layer
film_plan.py, bn_film_folding.py   FiLM of all norm layers; BN and FiLM as scale and shift
parameter_pointers.py       raw pointers to parameters; packed_weights.py: weights in the kernels' layouts
step_buffers.py, flat_gradients.py, malloc.py   memory
convolution.py, c_structs.py, compiled_library.py   what the kernels are told; their library
autograd_*.py               single layers as autograd functions
csrc/                       the kernels
"""
