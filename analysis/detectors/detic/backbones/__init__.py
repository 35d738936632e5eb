"""Networks that turn a picture into feature maps at strides 8, 16 and 32."""
