"""A user's script with five mistakes, a line each."""

import numpy as np

from tinygrad_rnn import nn, tanh, train

cell = nn.LSTMCell(3, 4)
outputs, state = nn.unroll(cell, np.zeros((5, 2, 3)))
loss = nn.mse_loss(outputs[-1], np.zeros((2, 4)))

loss.backwards()  # 1: backward
nn.LSTM(3, 4, num_layer=2)  # 2: num_layers
nn.Linear("3", 4)  # 3: a size is no text
print(tanh(outputs[0]).shpe)  # 4: shape
train.Adam([cell.W_x], lr="0.1")  # 5: a number
