"""What files say of Keras models, in one form: configuration, and which weight is whose."""
